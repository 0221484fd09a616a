"""A conditional-entropy term beside a base defense, and the one study over all defenses."""

import pytest

import search_spaces
from defenses import DEFENSES
from harness.errors import UserError
from harness.study.check import load_checked
from harness.trial import run_trial
from tests.holding import SLIGHT
from tests.values import JOB, asked

GREY = JOB.model_copy(update={"attack": "tests.plugins:Grey"})
"""An attack that takes no time."""

COMPOSED = {
    "noise": ("laplace", {"scale": 0.1}, "class_gaussian"),
    "masking": ("topk", {"ratio": 0.5}, "class_gaussian"),
    "statistical": ("nopeek", {"lam": 0.3}, "class_gaussian"),
    "adversarial": ("arl", {"alpha": 0.3, "blocks": 0, "channels": 4}, "class_gaussian"),
    "learned noise": ("shredder", {"lam": 0.03}, "cem_paper"),
}
"""Of each family one base defense, its settings and a term."""
TERMS = [name for name in DEFENSES if name.startswith(("cem_", "class_", "gated_", "slot_", "fusion_"))]
OTHERWISE = {"blocks", "channels", "trained"}
"""What the study over all defenses has otherwise: simulated decoders are smaller, and noise stands for itself."""


def told(base, settings, term, lam, folder) -> float:
    """Train a composed network in one trial; return its signal-to-noise ratio beyond the class."""
    chosen = {f"defense/{base}/{setting}": value for setting, value in settings.items()}
    chosen |= {"defense/name": base, "term/name": term, f"term/{term}/lam": lam}
    chosen |= SLIGHT | {"model/sigma": 0.1, "train/epochs": 3, "train/images": 192}
    record = run_trial(asked(settings=chosen, attacks=(GREY,)), folder).record
    assert record.state == "complete", record.error
    # not a bound, to which noise that is not Gaussian adds the same nats with and without the term
    return record.measured.diagnostics["snr"]


AT_ONCE = ("noise",)
"""Families that every run of the tests trains; the slow ones train all."""


@pytest.mark.parametrize(
    ("base", "settings", "term"),
    [
        pytest.param(*COMPOSED[family], id=family, marks=() if family in AT_ONCE else pytest.mark.slow)
        for family in COMPOSED
    ],
)
def test_a_term_reaches_the_client_beside_a_base_of_every_family(base, settings, term, tmp_path):
    without, beside = (told(base, settings, term, lam, tmp_path / str(lam)) for lam in (0.0, 3.0))
    assert beside < 0.85 * without, (beside, without)


@pytest.mark.parametrize("name", [*TERMS, "knife", "pairwise", "arl", "nopeek", "atat", "none"])
def test_penalties_that_leave_the_release_alone_are_terms(name):
    assert list(load_checked("quickstart", [f"term={{{name}: {{}}}}"]).term) == [name]


@pytest.mark.parametrize("name", ["vib", "learned_noise"])
def test_a_bound_that_rests_on_noise_of_its_own_is_no_term(name):
    with pytest.raises(UserError, match=rf"term/{name}: changes the release, of which a term is no part"):
        load_checked("quickstart", [f"term={{{name}: default}}"])


def test_one_study_runs_every_defense_once_over_its_own_ranges():
    space, _ = search_spaces.load("all-defenses")
    assert list(space["defense"]) == list(DEFENSES)
    assert load_checked("all-defenses").search.trials == len(DEFENSES)
    for name, entries in space["defense"].items():
        if entries != "default":
            default = search_spaces.defense(name)
            assert entries.keys() == default.keys()
            assert {key for key, entry in entries.items() if entry != default[key]} <= OTHERWISE
