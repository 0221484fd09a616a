"""What a user is told about the defenses: the command and the README say what the classes say."""

import inspect
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import defenses
from defenses import DEFENSES
from harness.cli import app

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def listed():
    result = CliRunner().invoke(app, ["defenses", "--json"])
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_the_command_lists_every_defense_in_reading_order(listed):
    assert [row["name"] for row in listed] == list(DEFENSES)
    keys = {"name", "reference", "faithful", "settings", "strength", "bound", "cost"}
    assert all(row.keys() == keys for row in listed)


def test_every_defense_lists_the_settings_its_constructor_takes_with_their_defaults(listed):
    for row in listed:
        defaults = defenses.settings(DEFENSES[row["name"]])
        assert row["settings"] == defaults, row["name"]
        assert inspect.Parameter.empty not in defaults.values()
        assert row["strength"] is None or row["strength"] in defaults


def test_every_defense_names_a_dated_source_and_its_cost(listed):
    for row in listed:
        dated = re.search(r"\b(19|20)\d\d\b", row["reference"])
        assert row["name"] == "none" or (dated and row["cost"] != "none"), row
        assert row["faithful"] in {"paper", "code", "ours"}
        assert row["bound"] in {"upper", "lower", "none"}


def test_the_readmes_table_says_what_the_classes_say():
    _, _, section = README.read_text(encoding="utf-8").partition("\n## The defenses\n")
    cells = [line.strip("|").split("|") for line in section.partition("\n## ")[0].splitlines() if line[:3] == "| `"]
    told = [(row[0].strip(" `"), row[2].strip(), row[3].strip()) for row in cells]
    assert told == [(name, defense.faithful, defense.bound) for name, defense in DEFENSES.items()]
