"""What a user is told about defenses and attacks: the commands say what the classes say."""

import inspect
import json
import re

import pytest
from typer.testing import CliRunner

import defenses
from attacks import ATTACKS
from defenses import DEFENSES
from harness.cli import app


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


def test_the_attacks_have_the_names_of_the_suite_reconstructions_first():
    kinds = {name: attack.kind for name, attack in ATTACKS.items()}
    reconstructions = ["decoder", "decoder_xl", "linear", "unrolled", "rmle", "dip", "query_free", "fora"]
    reconstructions += ["gan_decoder", "gan_prior", "diffusion", "repeated"]
    probes = ["confidence", "representative", "gradient", "membership"]
    assert kinds == dict.fromkeys(reconstructions, "reconstruction") | dict.fromkeys(probes, "probe")
    assert list(kinds) == [*reconstructions, *probes]


def test_every_attack_has_the_three_budgets_of_its_own_settings():
    for name, attack in ATTACKS.items():
        assert list(attack.budgets) == ["quick", "standard", "strong"], name
        settings = inspect.signature(attack).parameters.keys()
        assert all(budget.keys() == settings for budget in attack.budgets.values()), name


def test_the_command_says_who_attacks_with_what_knowledge_at_what_cost_and_after_whom():
    told = CliRunner().invoke(app, ["attacks"]).stdout
    for name, attack in ATTACKS.items():
        _, _, section = f"\n{told}".partition(f"\n{name}\n")
        for text in (attack.threat, attack.knowledge, attack.cost, attack.reference):
            assert text in section, (name, text)
