"""The codebook: its answers are right where they have a closed form, and its posterior is calibrated for every defense
whose likelihood is exact."""

import math

import pytest
import torch
from torch import Tensor

from attacks.base import Images
from attacks.codebook import Codebook, Draws, estimate
from attacks.likelihood import gaussian_surprise
from attacks.testproblems import LinearGaussian
from harness.models import LiveTarget
from tests.attacks import test_adaptive
from tests.codebooks import EXACT, HARD, NUM_TRAINED, codebook, digits

NUM_DRAWS = 400


class Mistaken(LinearGaussian):
    """Believes that its noise is half of what it is."""

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        return 4 * super().surprise(x, z)


def two(target: LinearGaussian) -> Codebook:
    torch.manual_seed(0)
    return Codebook(target, target.sample(2))


def miscalibration(draws: Draws) -> tuple[float, float]:
    """How many standard errors lie between what the posterior promises and what it keeps: error, identification."""
    kept = (draws.best - draws.x).square().mean(dim=(1, 2, 3)) - draws.variance
    named = (draws.posterior.argmax(1) == draws.chosen).double() - draws.posterior.amax(1)
    found = [estimate(each) for each in (kept, named)]
    return found[0].value / found[0].error, found[1].value / found[1].error


def test_of_two_images_the_answers_are_those_of_a_test_between_two_gaussians():
    target = LinearGaussian(sigma=0.7, side=8)
    book = two(target)
    x = book.images.x.float() / 255
    apart = float((target.mean(x[:1]) - target.mean(x[1:])).norm()) / target.sigma
    draws = book.draw(4000)
    # the better of two equal priors is told by one normal variable, half the distance away
    expected = (1 + math.erf(apart / 2 / math.sqrt(2))) / 2
    assert 0.6 < expected < 0.9
    most = draws.most_identified()
    assert abs(most.value - expected) < 4 * most.error
    # E[p (1 - p)] over the same normal variable, by sums
    t = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    weight = (-t.square() / 2).exp()
    share = torch.sigmoid(apart * t + apart**2 / 2)
    spread = float((weight * share * (1 - share)).sum() / weight.sum()) * float((x[0] - x[1]).square().mean())
    least = draws.least_error()
    assert abs(least.value - spread) < 4 * least.error


@pytest.mark.parametrize("name", EXACT)
def test_the_posterior_keeps_what_it_promises(name):
    torch.manual_seed(1)
    draws = codebook(name).draw(NUM_DRAWS)
    assert 0.4 < draws.most_identified().value < 0.97
    assert all(abs(off) < 4 for off in miscalibration(draws))


def test_every_defense_whose_likelihood_is_exact_stands_before_a_codebook():
    assert set(EXACT) == set(test_adaptive.EXACT)


def test_a_likelihood_that_is_wrong_is_found_out():
    torch.manual_seed(1)
    off = miscalibration(two(Mistaken(sigma=0.7, side=8)).draw(NUM_DRAWS))
    assert max(abs(each) for each in off) > 5


def test_nobody_gains_on_the_posterior_mean_but_who_was_told():
    torch.manual_seed(1)
    draws = codebook().draw(NUM_DRAWS)
    for x_hat in (draws.best, draws.best.lerp(draws.x.mean(0), 0.2), draws.x.mean(0).expand_as(draws.x)):
        gain = draws.gain(x_hat)
        assert gain.value <= 4 * gain.error
        assert abs(draws.excess(x_hat) * draws.least_error().value - draws.error(x_hat).value) < 0.001
    told = draws.gain(draws.best.lerp(draws.x, 0.3))
    assert told.value > 4 * told.error
    assert draws.excess(draws.best) == 1


def _errors(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean(1)


class Unaware:
    """Takes releases for the client's output with Gaussian noise, as loud as all that the defense does to it."""

    def __init__(self, target: LiveTarget) -> None:
        self.target = target
        x = digits().x[:NUM_TRAINED].float() / 255
        self.std = float((target.release(x) - target.activation(x)).square().mean().sqrt())

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        return gaussian_surprise(z, self.target.activation(x), self.std)


ALIKE = {"none", "learned_noise", "vib"}
"""Defenses whose noise is Gaussian and, behind this client, about as loud everywhere; else `test_modes` has them."""


@pytest.mark.parametrize("name", [name for name in EXACT | HARD if name not in ALIKE])
def test_whoever_ignores_what_a_defense_does_reconstructs_worse_and_identifies_less(name):
    torch.manual_seed(3)
    book = codebook(name)
    draws = book.draw(NUM_DRAWS)
    unaware = Codebook(Unaware(book.target), book.images).posterior(draws.z)
    x = (book.images.x.float() / 255).flatten(1)
    aware, blunt = (_errors(each.float() @ x, draws.x.flatten(1)) for each in (draws.posterior, unaware))
    named, missed = ((each.argmax(1) == draws.chosen).double() for each in (draws.posterior, unaware))
    for gain in (estimate(blunt - aware), estimate(named - missed)):
        assert gain.value > 2 * gain.error


def test_draws_come_from_all_images_alike():
    torch.manual_seed(1)
    book = codebook(num_images=8)
    counts = torch.bincount(book.draw(NUM_DRAWS).chosen, minlength=8)
    assert ((counts - NUM_DRAWS / 8).abs() < 5 * math.sqrt(NUM_DRAWS / 8)).all()
    sampled: Images = book.sample(100)
    assert {tuple(x.flatten().tolist()) for x in sampled.x} == {tuple(x.flatten().tolist()) for x in book.images.x}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("num_images", [32, 200, 1000])
@pytest.mark.parametrize("name", EXACT)
def test_the_posterior_of_up_to_a_thousand_images_keeps_what_it_promises(name, num_images):
    torch.manual_seed(2)
    draws = codebook(name, num_images=num_images).draw(2000 if num_images < 1000 else 500)
    assert all(abs(off) < 4 for off in miscalibration(draws))
