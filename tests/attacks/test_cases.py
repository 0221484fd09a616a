"""Every attack runs end to end on a codebook of digits: never below the least error there is, and near what is expected
of it; and no attack is without such a case, nor a case without its attack."""

import functools
import importlib
from typing import Any, NamedTuple

import pytest
import torch

from attacks import ATTACKS
from attacks.base import Attack, Course, ProbeAttack, train_prior
from attacks.codebook import Draws
from attacks.gains import gains
from attacks.seen import Seen
from tests.codebooks import EXACT, codebook

NUM_IMAGES, NUM_DRAWS = 320, 200
"""The attacker's images, a fifth as many of attacker-validation, and those that are scored."""
TOLERANCE = 0.15
"""Relative, of an expected number: seeds, processors and threads differ."""

EXPECTED: dict[tuple[str, str], dict[str, float]] = {
    ("decoder", "quick"): {"none": 2.66, "laplace": 5.52, "dropout": 3.12},
    ("decoder", "standard"): {"none": 1.98},
    ("decoder_xl", "quick"): {"none": 2.70, "laplace": 5.50, "dropout": 3.66},
    ("decoder_xl", "standard"): {"none": 1.91},
    ("linear", "quick"): {"none": 3.63, "laplace": 9.07, "dropout": 4.25},
    ("linear", "standard"): {"none": 3.42, "laplace": 8.54, "dropout": 4.05},
    ("unrolled", "quick"): {"none": 2.42, "laplace": 4.62, "dropout": 3.05},
    ("rmle", "quick"): {"none": 3.20, "laplace": 7.66, "dropout": 3.17},
    ("rmle", "standard"): {"none": 1.91},
    ("dip", "quick"): {"none": 6.41, "laplace": 19.32, "dropout": 5.69},
    ("query_free", "quick"): {"none": 6.83, "laplace": 20.5, "dropout": 5.81},
    ("fora", "quick"): {"none": 5.51, "laplace": 14.2, "dropout": 5.5},
    ("gan_decoder", "quick"): {"none": 2.93, "laplace": 6.79, "dropout": 3.35},
    ("gan_decoder", "standard"): {"none": 2.18},
    ("gan_prior", "quick"): {"none": 5.06, "laplace": 11.1, "dropout": 6.02},
    ("diffusion", "quick"): {"none": 3.65, "laplace": 9.55, "dropout": 4.04},
    ("repeated", "quick"): {"none": 2.59, "laplace": 5.53, "dropout": 3.80},
}
"""Mean squared error over the least of all attackers, by attack and budget and by defense (``tests.codebooks``), as
measured in one run on one thread.

The mean image has 6.8, 20.4 and 5.8: quick budgets are far from what 32 known images allow.
"""

SMALL: dict[str, dict[str, Any]] = {
    "decoder": {"blocks": 0, "channels": 16, "steps": 60},
    "decoder_xl": {"width": 4, "attention": 4, "steps": 40, "ssim_share": 0.0},
    "linear": {"draws": 2},
    "unrolled": {"width": 4, "attention": 0, "corrections": 1, "correction_width": 4, "steps": 20},
    "rmle": {"steps": 20, "decoder_steps": 40},
    "dip": {"steps": 15, "widths": (4, 4), "kernels": (3, 3)},
    "query_free": {"width": 4, "shadow_steps": 20, "steps": 15},
    "fora": {"width": 8, "substitute_steps": 40, "channels": 16, "decoder_steps": 30},
    "gan_decoder": {"blocks": 0, "channels": 16, "critic_channels": 4, "critic_steps": 1, "steps": 80},
    "gan_prior": {"latent": 8, "width": 4, "critic_width": 4, "prior_steps": 15, "restarts": 2, "free_steps": 10},
    "diffusion": {"steps": 4, "samples": 2, "channels": 4, "components": 32, "prior_steps": 20},
    "repeated": {"steps": 20, "most": 4},
}  # fmt: skip
"""By attack, what its budget ``quick`` is changed to for a second's run."""

LONG = ("rmle", "dip", "gan_decoder", "gan_prior", "fora")
"""Those whose run takes more."""

RUN = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in SMALL]

GUESS = 1.02
"""Of the mean image's error: what an attack reaches that may be defeated outright."""


class Case(NamedTuple):
    """A test that runs a probe end to end on something whose answer is known."""

    module: str
    test: str


PROBES: dict[str, Case] = {
    "confidence": Case(
        "test_probes", "test_probabilities_that_tell_all_but_noise_give_all_but_noise_and_rounded_ones_less"
    ),
    "representative": Case("test_probes", "test_representatives_of_a_matched_filter_look_like_their_classes"),
    "gradient": Case("test_probes", "test_dlg_recovers_an_image_of_a_small_network_to_a_thousandth"),
    "membership": Case("test_probes", "test_members_of_an_overfitted_network_are_found"),
}


class Run(NamedTuple):
    """An attack, how its fit went, and what it is to reconstruct."""

    attack: Attack
    course: Course
    draws: Draws


def run(name: str, defense: str, settings: dict[str, Any], num_draws: int = NUM_DRAWS) -> Run:
    """Fit an attack on draws from the codebook, and draw anew; everything seeded."""
    book, kind = codebook(defense), ATTACKS[name]
    assert issubclass(kind, Attack)
    torch.manual_seed(0)
    aux, val = book.sample(NUM_IMAGES), book.sample(NUM_IMAGES // 5)
    attack: Attack = kind(**settings)
    seen = Seen(book.target, kind.knowledge, needs_server=kind.needs_server)
    if attack.prior_settings() is not None:
        prior = attack.make_prior(seen.image_shape, seen.num_classes)
        train_prior(attack, prior, aux, torch.float32)
        attack = attack.with_prior(prior.eval())
    if attack.overhears:
        attack = attack.hearing(book.draw(num_draws).z)
    torch.manual_seed(1)
    course = attack.fit(seen, aux, val).course
    torch.manual_seed(2)
    return Run(attack, course, book.draw(num_draws))


def names(kind: type) -> set[str]:
    """Attacks of a kind."""
    return {name for name, attack in ATTACKS.items() if issubclass(attack, kind)}


# the registry, both ways


def test_every_attack_has_a_case_and_every_case_an_attack():
    assert set(SMALL) == {name for name, _ in EXPECTED} == names(Attack)
    assert set(PROBES) == names(ProbeAttack)


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_s_case_is_a_test(name):
    case = PROBES[name]
    assert callable(getattr(importlib.import_module(f"tests.attacks.{case.module}"), case.test))


# never below, and near


@functools.cache
def small(name: str, defense: str, num_draws: int = NUM_DRAWS // 2) -> Run:
    return run(name, defense, ATTACKS[name].budgets["quick"] | SMALL[name], num_draws)


@pytest.mark.parametrize("name", RUN)
def test_no_attack_is_below_the_least_error_and_none_above_the_guess(name):
    attack, _, draws = small(name, "none")
    x_hat = attack.reconstruct(draws.z)
    gain = draws.gain(x_hat)
    assert gain.value <= 4 * gain.error
    guess = codebook().images.x.float().mean(0) / 255
    assert draws.excess(x_hat) <= GUESS * draws.excess(guess.expand_as(x_hat))


@pytest.mark.parametrize("name", RUN)
def test_every_attack_says_what_the_last_doubling_of_its_steps_gained(name):
    course = small(name, "none").course
    found = gains(course, course.errors[1.0], None)
    assert found.steps is not None
    assert found.steps.low <= found.steps.value <= found.steps.high


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("defense", EXACT)
@pytest.mark.parametrize("name", SMALL)
def test_behind_no_defense_is_any_attack_below_the_least_error(name, defense):
    attack, _, draws = small(name, defense, NUM_DRAWS)
    gain = draws.gain(attack.reconstruct(draws.z))
    assert gain.value <= 4 * gain.error


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "budget"), EXPECTED)
def test_an_attack_s_error_is_what_is_expected_of_its_budget(name, budget):
    for defense, expected in EXPECTED[name, budget].items():
        attack, _, draws = run(name, defense, ATTACKS[name].budgets[budget])
        assert draws.excess(attack.reconstruct(draws.z)) == pytest.approx(expected, rel=TOLERANCE), defense
