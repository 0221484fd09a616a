"""What an absent key meant in each version stands in one table, and is what the values take it for."""

import pytest

from harness import __version__
from harness.records import asked, attack, circumstances, scores, trial
from harness.records.versions import CURRENT, RECORDS, VERSIONS, keys_after, version_then

MODULES = (asked, attack, circumstances, scores, trial)


def test_the_last_version_is_this_ones():
    assert __version__.startswith(f"{CURRENT}.")
    assert VERSIONS[-1] == CURRENT


@pytest.mark.parametrize("name", RECORDS["0.1"])
def test_a_field_that_a_record_may_lack_means_what_the_table_says(name):
    owner, field = name.split(".")
    value = next(vars(module)[owner] for module in MODULES if owner in vars(module))
    assert value.model_fields[field].get_default(call_default_factory=True) == RECORDS["0.1"][name]


def test_every_field_with_a_default_is_in_the_table():
    values = {kind for module in MODULES for kind in vars(module).values() if hasattr(kind, "model_fields")}
    optional = {
        f"{kind.__name__}.{name}"
        for kind in values
        for name, field in kind.model_fields.items()
        if not field.is_required() and name != "version"
    }
    known = {name for version in VERSIONS for name in RECORDS.get(version, {})}
    assert optional <= known | {"AttackMeasured.version"}


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"defense/name": "nopeek"}, 1),
        ({"defense/name": "pairwise", "defense/pairwise/lam": 0.1}, 1),
        ({"defense/name": "nopeek", "defense/nopeek/estimator": "unbiased"}, 2),
        ({"defense/name": "nopeek", "train/ramp": None}, 2),
        ({"defense/name": "arl"}, 2),
    ],
)
def test_an_old_trial_whose_defense_is_as_it_was_is_of_its_first_version(settings, version):
    assert version_then(settings, 2) == version


def test_keys_that_a_version_brought_are_later_than_those_before_it():
    added = {"0.2": {"train/label_smoothing": 0.1}}
    assert keys_after("0.1", added) == {"train/label_smoothing": 0.1}
    assert keys_after("0.2", added) == {}
