"""What several releases of one image are likeliest to come from where the noise is no Gaussian: not their mean.

References:
    Andrews, Mallows, Scale mixtures of normal distributions, 1974.
    Dempster, Laird, Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977.
"""

import torch
from torch import Tensor

from attacks.likelihood import TINY

ROUNDS = 4
"""Steps of EM, each of which makes the releases likelier."""

LARGEST_RATIO = 30.0
"""Of the Gaussian noise to the Laplace noise, from which the latter counts as none."""

CHOICES = 3
"""Times that members are chosen, each by the location found with those before."""


def laplace_location(z: Tensor, scale: Tensor | float, sigma: float) -> Tensor:
    """Return the location ``(...)`` under which releases ``(m, ...)`` with Laplace and Gaussian noise are likeliest.

    Both together are a mixture of Gaussians of all variances, so that EM weights each release by how narrow the
    Gaussian is that it is likely to be from. It starts from the median, which is right without Gaussian noise, or from
    the mean, which is without Laplace noise.

    Args:
        z: Releases, float32.
        scale: b of the Laplace noise, >= 0, broadcast against ``z``.
        sigma: Standard deviation of the Gaussian noise, >= 0.
    """
    sigma = max(sigma, TINY)
    scale = torch.as_tensor(scale, dtype=z.dtype, device=z.device).clamp_min(TINY)
    # of an even number, torch's median is the lower one of the two in the middle
    median = (z.median(dim=0).values - (-z).median(dim=0).values) / 2
    location = torch.where((scale > sigma).expand_as(z).any(dim=0), median, z.mean(dim=0))
    for _ in range(ROUNDS):
        weight = _narrowness(z - location, scale, sigma)
        location = (weight * z).sum(dim=0) / weight.sum(dim=0)
    return location


def member_location(z: Tensor, offsets: Tensor, scales: Tensor, sigma: float) -> Tensor:
    """Return the location ``(B, ...)`` under which releases with noise of a collection of distributions are likeliest.

    Each release is of one member, the same for all its features; members are chosen with the location, in turns.

    Args:
        z: Releases ``(m, B, ...)``, float32.
        offsets: What the members add, ``(K, ...)``.
        scales: b of each member's Laplace noise, ``(K, ...)``.
        sigma: Standard deviation of the Gaussian noise, >= 0.
    """
    location = z.mean(dim=0) - offsets.mean(dim=0)
    for _ in range(CHOICES):
        member = torch.stack([_likelihood(z - location - mu, b, sigma) for mu, b in zip(offsets, scales, strict=True)])
        chosen = member.argmax(dim=0)
        location = laplace_location(z - offsets[chosen], scales[chosen], sigma)
    return location


def _narrowness(residual: Tensor, scale: Tensor, sigma: float) -> Tensor:
    """Return ``-score(r) / r``, > 0: the expected precision of the Gaussian that a residual is from."""
    r = residual.abs().clamp_min(1e-6 * sigma)
    x, ratio = r / sigma, sigma / scale
    balance = r / scale + (torch.special.log_ndtr(-x - ratio) - torch.special.log_ndtr(x - ratio)) / 2
    narrowness = (-balance.tanh() / (scale * r)).clamp_min(1e-30)
    # large numbers cancel where the Laplace noise is nothing beside the Gaussian
    return torch.where(ratio > LARGEST_RATIO, torch.full_like(r, sigma**-2), narrowness)


def _likelihood(residual: Tensor, scale: Tensor, sigma: float) -> Tensor:
    """Return how likely residuals ``(m, B, ...)`` are, nats, ``(m, B)``: of a Laplace law with the variance of both."""
    both = (scale.square() + sigma**2 / 2).sqrt().clamp_min(TINY)
    return -(residual.abs() / both + both.log()).flatten(2).sum(dim=2)
