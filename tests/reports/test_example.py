"""The example: the ledger of README's result still opens, and README says what it holds."""

import re
from pathlib import Path

import pytest

import harness
from harness.judging import Book, judged_trials
from harness.ledger import Ledger
from harness.study import load_study

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "reports" / "examples" / "cifar10-small"

OBJECTIVES = {"accuracy": 3, "mse": 4, "ssim": 3}
"""Decimals of each column."""

INTERVAL = r" ([.\d]+) \[([.\d]+), ([.\d]+)\] \|"
ROW = re.compile(rf"^\| (\d+) \| `(\w+)`[^|]*\| (\d+) \|{INTERVAL * len(OBJECTIVES)}$", re.MULTILINE)
"""A row of the table: trial, defense, seeds, and of each objective the mean and its interval."""


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(judged_trials(Ledger(EXAMPLE)))


def test_the_front_page_shows_who_is_confirmed_in_the_example_and_its_numbers():
    candidates = harness.open(EXAMPLE).candidates.set_index("trial")
    rows = {int(row[0]): row[1:] for row in ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert rows.keys() == set(candidates.index[candidates["seeds"] == candidates["seeds"].max()])
    for trial, (defense, seeds, *shown) in rows.items():
        found = candidates.loc[trial]
        assert (defense, int(seeds)) == (found["defense/name"], found["seeds"])
        told = [
            round(found[name + end], digits) for name, digits in OBJECTIVES.items() for end in ("", "_low", "_high")
        ]
        assert [float(one) for one in shown] == told


def test_the_example_holds_a_whole_study_without_weights(book):
    study = load_study(EXAMPLE / "study.yaml")
    assert sorted(book.outlines) == list(range(study.search.trials))
    assert all(outline.state == "complete" for outline in book.outlines.values())
    assert not list(EXAMPLE.rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 12e6
