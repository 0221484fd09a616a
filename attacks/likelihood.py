"""How surprising a release is if the image were another one: densities of what channel noise and defenses leave of it.

All densities are elementwise natural logarithms up to a constant and differentiable in the activation. Where a feature
is released without any noise, a small one stands in (:func:`effective_sigma`), in the unit of the feature itself: a
client whose features are all a thousandth says as much, and no attack may be defeated by that. A hard choice that
depends on the activation (which features are the largest, which cell of a grid) has a likelihood that is flat almost
everywhere; here it is taken as soft, so that its gradient says which way the choice would change.

References:
    Athalye, Carlini, Wagner, Obfuscated gradients give a false sense of security, 2018.
    Tramèr, Carlini, Brendel, Madry, On adaptive attacks to adversarial example defenses, 2020.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_SHARE = 1e-3
"""Of the deviation of a feature over images: the standard deviation that stands in for a noise of 0."""

TINY = 1e-12
"""Standard deviation that keeps a density of a caller without any noise finite."""

FARTHEST = 4.0
"""Deviations beyond ``sqrt(n)`` that the norm of n standard normal variables never gets to: about once in a million."""

IMPOSSIBLE = -1e30
"""Log-density of what cannot be, finite so that a mixture of such is still a number."""

CELLS = (-2, -1, 0, 1, 2)
"""Points of the grid that are summed over around the likeliest: with edges of at most .3 cells none else counts."""


class Channel(Protocol):
    """What a target (:class:`attacks.base.Target`) says of its noise and of its features' unit."""

    sigma: float
    spread: float


def effective_sigma(target: Channel) -> float:
    """Return the standard deviation of a target's channel noise, at least ``LEAST_SHARE`` of its features' own."""
    return max(target.sigma, LEAST_SHARE * target.spread)


def gaussian_surprise(z: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """Return ``sum_d (z_d - mean_d)^2 / (2 std_d^2) + log std_d``, nats up to a constant, ``(B,)``.

    Args:
        z: Releases, ``(B, C, H, W)``.
        mean: Their expectation, ``(B, C, H, W)``.
        std: Standard deviation of all noise, > 0, a number or ``(B, C, H, W)``; raised to at least ``TINY``.
    """
    return surprise(log_gaussian(z, mean, std))


def surprise(log_density: Tensor) -> Tensor:
    """Return nats ``(B,)`` from the log-densities ``(B, ...)`` of independent features."""
    return -log_density.flatten(1).sum(1)


def log_gaussian(z: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """Return the log-density of Gaussian releases.

    Args:
        z: Releases.
        mean: Their expectation, broadcast against ``z``.
        std: Standard deviation, > 0, broadcast against ``z``; raised to at least ``TINY``.
    """
    std = torch.as_tensor(std, dtype=z.dtype, device=z.device).clamp_min(TINY)
    return -(z - mean).square() / (2 * std.square()) - std.log()


def log_zeroed(z: Tensor, sigma: float) -> Tensor:
    """Return the log-densities of releases of groups of features that were set to 0 together, one for each group.

    ``IMPOSSIBLE`` where the noise never gets: a group of n whose norm exceeds ``(sqrt(n) + FARTHEST) sigma``, that is,
    any but 0 without noise. Without this, a poor candidate would rather take a feature for set to 0 than move to it.

    Args:
        z: Releases, ``(..., n)``, a group's in the last dimension.
        sigma: Standard deviation of the channel noise, >= 0.
    """
    farthest = (math.sqrt(z.shape[-1]) + FARTHEST) * sigma
    return log_gaussian(z, 0.0, sigma).sum(-1).masked_fill(z.norm(dim=-1) > farthest, IMPOSSIBLE)


def log_either(odds: Tensor, if_so: Tensor, if_not: Tensor) -> Tensor:
    """Return the log-density of a mixture of two.

    Args:
        odds: Log-odds of the first.
        if_so: Log-density under the first.
        if_not: Log-density under the second.
    """
    return torch.logaddexp(F.logsigmoid(odds) + if_so, F.logsigmoid(-odds) + if_not)


def log_laplace(z: Tensor, mean: Tensor, scale: Tensor | float, sigma: float) -> Tensor:
    """Return the log-density of releases with Laplace noise of the defense and Gaussian noise of the channel.

    The convolution of both: with r = |z - mean|, b the scale and Phi the normal distribution function,
    ``exp(s^2 / 2b^2) / 2b (exp(-r / b) Phi(r / s - s / b) + exp(r / b) Phi(-r / s - s / b))``, in a form in which no
    large numbers cancel.

    Args:
        z: Releases.
        mean: Their expectation, broadcast against ``z``.
        scale: b, > 0, broadcast against ``z``.
        sigma: s, standard deviation of the channel noise, >= 0.
    """
    scale = torch.as_tensor(scale, dtype=z.dtype, device=z.device)
    distance = (z - mean).abs()
    if sigma == 0:
        return -distance / scale - (2 * scale).log()
    ratio = sigma / scale
    x = distance / sigma - ratio
    # Phi(x) = exp(-x^2 / 2) erfcx(-x / sqrt 2) / 2, and the squares that arise complete to (r / s)^2
    peak = -(distance / sigma).square() / 2
    tail = ratio.square() / 2 - distance / scale
    below, above = _halves(x)
    near = torch.where(x < 0, peak + _log_mills(below), tail + torch.special.log_ndtr(above))
    far = peak + _log_mills(-distance / sigma - ratio)
    return torch.logaddexp(near, far) - (2 * scale).log()


def log_rounded(z: Tensor, activation: Tensor, step: float, width: float, sigma: float) -> Tensor:
    """Return the log-density of releases of features that were rounded to a grid, ``width`` softening its edges.

    An activation a is taken for ``a + width e`` with e a standard normal variable: it falls into the cell of grid point
    k with the normal probability of ``step (k +- 1/2)``, and is released as ``N(step k, sigma^2)``. As the width goes
    to 0, this is the law of rounding; beside the cell of a release, the gradient is that of a parabola.

    Args:
        z: Releases.
        activation: What was rounded, of the shape of ``z``.
        step: Width of the grid, > 0.
        width: Standard deviation of the edges, > 0 and at most .3 ``step``.
        sigma: Standard deviation of the channel noise, >= 0.
    """
    noise, edge = max(sigma, TINY) ** 2, width**2
    likeliest = (z * edge + activation.detach() * noise) / (noise + edge)
    centre = (likeliest / step).round()
    terms = []
    for offset in CELLS:
        point = step * (centre + offset)
        distance = (activation - point).abs()
        upper, lower = _log_cdf((step / 2 - distance) / width), _log_cdf((-step / 2 - distance) / width)
        terms.append(upper + torch.log1p(-(lower - upper).exp()) + log_gaussian(z, point, sigma))
    return torch.stack(terms).logsumexp(0)


def expected_point(z: Tensor, step: float, sigma: float) -> Tensor:
    """Return the expected point of a grid, of which all are as likely, given it with Gaussian noise.

    Args:
        z: Points with noise.
        step: Width of the grid, > 0.
        sigma: Standard deviation of the noise, > 0; from half a step on, the grid is not seen, and it is z itself.
    """
    if sigma >= step / 2:
        return z
    points = [step * ((z / step).round() + offset) for offset in CELLS]
    weights = torch.stack([-(z - point).square() / (2 * sigma**2) for point in points]).softmax(0)
    return (weights * torch.stack(points)).sum(0)


def _log_mills(x: Tensor) -> Tensor:
    """Return ``log Phi(x) + x^2 / 2`` for x <= 0."""
    scaled: Tensor = torch.special.erfcx(-x / math.sqrt(2))
    return (scaled / 2).log()


def _log_cdf(x: Tensor) -> Tensor:
    """Return ``log Phi(x)``: ``torch.special.log_ndtr`` has wrong gradients far below 0."""
    below, above = _halves(x)
    return torch.where(x < 0, _log_mills(below) - below.square() / 2, torch.special.log_ndtr(above))


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x where it is < 0, and where it is not, 0 elsewhere: no infinity in the half that is not taken."""
    # not a clamp, which passes half a gradient where x is exactly 0
    nought = torch.zeros_like(x)
    return torch.where(x < 0, x, nought), torch.where(x < 0, nought, x)
