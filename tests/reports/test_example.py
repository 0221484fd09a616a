"""The example: the ledger of README's result still opens, and README says what it holds."""

import re
from pathlib import Path

import pytest

from harness.judging import Book, judged_trials
from harness.ledger import Ledger
from harness.study import load_study

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "reports" / "examples" / "cifar10-small"

ROW = re.compile(r"^\| (\d+) \| `(\w+)`[^|]*\| ([.\d]+) \| ([.\d]+) \| ([.\d]+) \| ([.\d]+) \|$", re.MULTILINE)
"""A row of the table: trial, defense, sigma, accuracy, mse and ssim."""


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(judged_trials(Ledger(EXAMPLE)))


def test_the_front_page_shows_the_front_of_the_example_and_its_numbers(book):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {int(row[0]): row[1:] for row in ROW.findall(text)}
    assert rows.keys() == {outline.number for outline in book.standing().front}
    for number, (defense, sigma, *shown) in rows.items():
        outline = book.outlines[number]
        assert outline.objectives is not None
        assert (defense, float(sigma)) == (outline.settings["defense/name"], outline.settings["model/sigma"])
        told = (outline.objectives.accuracy, outline.objectives.mse, outline.objectives.ssim)
        assert [float(one) for one in shown] == [round(told[0], 3), round(told[1], 4), round(told[2], 3)]


def test_the_example_holds_a_whole_study_without_weights(book):
    study = load_study(EXAMPLE / "study.yaml")
    assert sorted(book.outlines) == list(range(study.search.trials))
    assert all(outline.state == "complete" for outline in book.outlines.values())
    assert not list(EXAMPLE.rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 12e6
