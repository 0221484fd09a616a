"""What was called converged though it was not: diffusion with the true score, and maximum likelihood, at `standard`."""

import pytest
import torch

from attacks.base import Attack
from attacks.correction import corrected
from attacks.diffusion import Diffusion
from attacks.gains import gains
from attacks.rmle import Rmle
from attacks.testproblems import LinearGaussian
from attacks.verdict import TIGHT
from tests.exact_prior import Exact
from tests.known_answers import sampling_error


def diffusion(target: LinearGaussian) -> Attack:
    return Diffusion(**Diffusion.budgets["standard"]).with_prior(Exact(target))


def rmle(target: LinearGaussian) -> Attack:
    return Rmle(**Rmle.budgets["standard"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sigma", [0.02, 0.07, 0.25])
@pytest.mark.parametrize("attack", [diffusion, rmle])
def test_the_interval_covers_how_far_it_is_and_it_is_open_unless_it_is_near(attack, sigma):
    torch.manual_seed(0)
    target = LinearGaussian(sigma)
    fitted = attack(target)
    course = fitted.fit(target, target.sample(1000), target.sample(200)).course
    x = target.sample(200).x.float() / 255
    z = target.release(x)
    x_hat = fitted.reconstruct(z)
    own = (x_hat - x).square().mean(dim=(1, 2, 3))
    least = (target.posterior_mean(z) - x).square().mean(dim=(1, 2, 3))
    remainder = gains(course, own, corrected(x_hat, z, x)).remainder
    truth = float(1 - least.mean() / own.mean())
    slack = sampling_error(own - least) / float(own.mean())
    print(f"{attack.__name__} at {sigma}: {own.mean() / least.mean():.3f} times the least, {truth:.3f}, {remainder}")
    assert remainder.low - slack <= truth <= remainder.high + slack
    assert truth < TIGHT or remainder.high >= TIGHT
