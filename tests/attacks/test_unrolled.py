"""Unrolled inversion: problems whose answer is known, and that its corrections live off the likelihood."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.base import Fit
from attacks.corrected import Slope
from attacks.testproblems import PATCH, LinearGaussian
from attacks.unrolled import Unrolled
from tests.known_answers import errors, sampling_error

SMALL = Unrolled.budgets["quick"] | {
    "width": 4, "attention": 0, "corrections": 2, "correction_width": 8, "epochs": 999, "steps": 60,
}  # fmt: skip


class Mute(LinearGaussian):
    """Says of every image that it explains a release equally well."""

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        return 0 * x.flatten(1).sum(1)


def fitted(target: LinearGaussian, num_images: int, **changes) -> tuple[Unrolled, Fit]:
    torch.manual_seed(0)
    attack = Unrolled(**(SMALL | changes))
    return attack, attack.fit(target, target.sample(num_images), target.sample(100))


@pytest.mark.slow
def test_it_comes_within_10_percent_of_the_least_error_and_not_below_it():
    target = LinearGaussian(sigma=0.07, side=8)
    attack, _ = fitted(target, num_images=800, steps=100)
    per_image = errors(attack, target, 1000)
    assert per_image.mean() <= 1.1 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sigma", [0.02, 0.07, 0.25])
def test_it_comes_within_5_percent_of_the_least_error_at_every_noise_level(sigma):
    target = LinearGaussian(sigma=sigma)
    attack, _ = fitted(target, num_images=3200, **(Unrolled.budgets["quick"] | {"epochs": 999, "steps": 400}))
    per_image = errors(attack, target, 1000)
    assert per_image.mean() <= 1.05 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


@pytest.mark.slow
def test_with_few_images_the_likelihood_tells_what_they_do_not():
    informed, fit = fitted(LinearGaussian(sigma=0.07, side=8), num_images=60)
    deaf, _ = fitted(Mute(sigma=0.07, side=8), num_images=60)
    target = LinearGaussian(sigma=0.07, side=8)
    torch.manual_seed(1)
    x = target.sample(200).x.float() / 255
    z = target.release(x)
    own, blind = ((attack.reconstruct(z) - x).square().mean() for attack in (informed, deaf))
    assert own < 0.9 * blind
    assert fit.details["mse_after_2"] < 0.95 * fit.details["mse_after_0"]


def test_the_slope_is_the_gradient_in_its_own_unit_and_how_large_it_is():
    target = LinearGaussian(sigma=0.07, side=8)
    x, other = (target.sample(6).x.float() / 255 for _ in range(2))
    z = target.release(x)
    slope = Slope(target, torch.full_like(x, 0.5), z)
    seen = slope(other, z)
    left = (target.mean(other) - z) / target.sigma**2
    gradient = F.pixel_shuffle(F.conv2d(left, target.weight.T.float()[:, :, None, None]), PATCH)
    size = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(seen[:, :3], (gradient / size).asinh(), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(seen[:, 3:].exp() * slope.usual, size.expand(-1, 1, 8, 8), atol=0, rtol=1e-3)


def test_where_nothing_is_told_the_slope_is_nought():
    target = Mute(sigma=0.07, side=8)
    x = target.sample(3).x.float() / 255
    seen = Slope(target, x, target.release(x))(x, target.release(x))
    assert torch.equal(seen[:, :3], torch.zeros(3, 3, 8, 8))
    assert seen.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corrections": 0}, "unrolled: corrections must be >= 1, not 0"),
        ({"correction_width": 6}, "unrolled: correction_width must be a multiple of 4, not 6"),
        ({"ema": 1.0}, r"unrolled: ema must be in \[0, 1\), not 1.0"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Unrolled(**(SMALL | changes))
