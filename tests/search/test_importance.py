"""Importance of settings: what decides an objective is told apart from what does not."""

from pathlib import Path

import pytest

from harness.judging import JudgedTrial
from harness.search import importances
from harness.search.importance import COLUMNS, LEAST
from harness.study.check import load_checked
from tests.values import JOB, asked, attack, record, scores

SPACE = """
name: given
data: {name: digits}
model: {sigma: {choices: [0.025, 0.1, 0.25]}}
defense: {none: {}, laplace: {scale: {low: 0.01, high: 1.0, log: true}}}
search: {trials: 60}
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    file = tmp_path_factory.mktemp("space") / "space.yaml"
    file.write_text(SPACE)
    return load_checked(file).space()


def judged_of(own, accuracy, mse, ssim):
    found = scores(mse, ssim)
    done = record(own.number, accuracy, mse, ssim, asked=own)
    attacks = (attack(own.number, JOB, found, found),)
    return JudgedTrial(number=own.number, path=Path("nowhere"), asked=own, record=done, attacks=attacks)


def trials(count):
    """Accuracy is decided by sigma alone, mse by the scale of the one defense that has it."""
    for number in range(count):
        sigma = (0.025, 0.1, 0.25)[number % 3]
        scale = 0.01 * 100 ** ((number * 7 % 30) / 29)
        own = {"model/sigma": sigma, "defense/name": "laplace" if number % 2 else "none"}
        settings = own | ({"defense/laplace/scale": scale} if number % 2 else {})
        mse = 0.01 + (0.02 * scale if number % 2 else 0.0)
        yield judged_of(asked(number, settings=settings), 0.9 - sigma + 1e-4 * (number % 7), mse, 0.6 - mse)


def test_what_decides_an_objective_is_the_most_important_for_it(space):
    found = importances(space, trials(60))
    assert list(found) == [*COLUMNS]
    first = found.loc[found.groupby("objective")["importance"].idxmax()].set_index("objective")["setting"]
    assert first["accuracy"] == "model/sigma"
    assert first["mse"] in ("defense/laplace/scale", "defense/name")
    assert found.groupby("objective")["importance"].sum().tolist() == pytest.approx([1, 1, 1])
    assert found["trials"].eq(60).all()


def test_of_few_trials_nothing_is_told(space):
    assert list(importances(space, trials(LEAST - 1))) == [*COLUMNS]
    assert importances(space, trials(LEAST - 1)).empty


def test_a_trial_that_the_space_cannot_have_asked_is_left_out(space):
    odd = judged_of(asked(99, settings={"defense/name": "gone"}), 0.5, 0.01, 0.5)
    assert importances(space, [*trials(30), odd])["trials"].eq(30).all()
