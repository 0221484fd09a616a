"""How a diffusion prior is led to images that explain a release: three guidances, and the sampler that uses them.

Images are in the prior's units; a noisy one is ``u_t = alpha u_0 + sigma e``.

References:
    Chung, Kim, McCann, Klasky, Ye, Diffusion posterior sampling for general noisy inverse problems, 2023.
    Lei et al., DRAG: data reconstruction attack using guided diffusion, 2025.
    Boys, Girolami, Pidstrigach, Reich, Mosca, Akyildiz, Tweedie moment projected diffusions for inverse problems, 2023.
    Rozet, Andry, Lanusse, Louppe, Learning diffusion priors from observations by expectation maximization, 2024.
    Song, Meng, Ermon, Denoising diffusion implicit models, 2021.
"""

import itertools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from attacks.counted import counted
from attacks.denoiser import ImagePrior, signal_and_noise
from attacks.own_noise import OwnNoise

Surprise = Callable[[Tensor], Tensor]
"""Negative log-likelihood of the releases, nats, ``(B,)``, differentiable, of images ``(B, 3, height, width)``."""

Guidance = Literal["dps", "spherical", "moment"]

GUIDANCES: tuple[Guidance, ...] = ("dps", "spherical", "moment")

EARLIEST = 0.99
"""Time at which sampling starts: of an image 1.6 % is left."""


class Noisy(NamedTuple):
    """Noisy images and what the prior makes of them; the latter's graph is kept, for derivatives in ``u``."""

    u: Tensor
    """``(B, 3, height, width)``, requires grad."""
    u0: Tensor
    """``E[u_0 | u_t]``, the same shape."""
    alpha: float
    sigma: float

    def covariance(self, v: Tensor) -> Tensor:
        """Return ``Cov[u_0 | u_t] v = sigma^2 / alpha (d u0 / d u)^T v`` (Tweedie); the Jacobian is symmetric."""
        (product,) = torch.autograd.grad(self.u0, self.u, v, retain_graph=True)
        return torch.mul(product, self.sigma**2 / self.alpha)


class Settings(NamedTuple):
    """How samples are drawn."""

    guidance: Guidance
    steps: int
    """Denoising steps, >= 1."""
    samples: int
    """Of each image, >= 1."""
    step_size: float
    """Of DPS, in units of the exact likelihood, > 0."""
    weight: float
    """Share of the guidance in a step of spherical guidance, in [0, 1]."""
    recurrences: int
    """Times that each step is taken, with new noise in between, >= 1."""
    iterations: int
    """Of conjugate gradients in moment-matched guidance, >= 1."""


class Samples(NamedTuple):
    """Samples from the posterior, and what was expected of it on the way."""

    u: Tensor
    """``(samples, B, 3, height, width)``."""
    means: Tensor
    """Mean over samples of ``E[u_0 | u_t, z]`` after each step that was watched, ``(len(watch), B, 3, h, w)``."""
    spread: Tensor
    """Variance of that expectation over samples, of the same shape; nought of a single sample, which has none."""


def dps(at: Noisy, surprise: Surprise, step_size: float) -> Tensor:
    """Return ``E[u_0 | u_t, z]`` if z depended on u_t through ``u0`` alone, ``(B, 3, height, width)``.

    That is ``u0 - step_size Cov grad surprise(u0)``, Chung's step in units of the exact likelihood. It takes ``u0`` for
    certain, so at high noise it is far too long; no image moves further than ``sqrt(n) sigma``, as far as images of
    unit variance lie from ``u0``.
    """
    shift = -step_size * at.covariance(_gradient(at.u0.detach(), surprise))
    return at.u0.detach() + shift * (_radius(shift, at.sigma) / _norm(shift)).clamp_max(1)


def moment(at: Noisy, surprise: Surprise, iterations: int) -> Tensor:
    """Return ``E[u_0 | u_t, z]`` for ``u_0 | u_t ~ N(u0, C)``, C by Tweedie, and a surprise that is quadratic near u0.

    That is ``u0 - (C^-1 + H)^-1 grad surprise(u0)``, H the surprise's Hessian: exact for Gaussian images, a linear
    client and as many iterations as C H has distinct eigenvalues. For Gaussian noise and a piecewise linear client it
    is the published ``C A^T (Sigma + A C A^T)^-1 (z - A u0)``, but it serves every other law of z as well. Conjugate
    gradients preconditioned by C need products with C and H only. An image for which either is not positive keeps
    what it has: the Jacobian of a trained network is only nearly symmetric.
    """
    u0 = at.u0.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(surprise(u0).sum(), u0, create_graph=True)
    residual = -gradient.detach()
    preconditioned = at.covariance(residual)
    # the direction is C times `source`, so that C^-1 need never be applied
    direction, source, shift = preconditioned, residual, torch.zeros_like(residual)
    product = _dot(residual, preconditioned)
    for i in range(iterations):
        image = source + _times_hessian(gradient, u0, direction)
        curvature = _dot(direction, image)
        good = (curvature > 0) & (product > 0)
        length = torch.where(good, product / curvature.where(good, torch.ones_like(curvature)), 0)
        shift = shift + length * direction
        if i + 1 == iterations:
            break
        residual = residual - length * image
        preconditioned = at.covariance(residual)
        after = _dot(residual, preconditioned)
        ratio = torch.where(good, after / product.where(good, torch.ones_like(product)), 0)
        source, direction, product = residual + ratio * source, preconditioned + ratio * direction, after
        product = torch.where(good, product, 0)
    return at.u0.detach() + shift


def spherical(gradient: Tensor, noise: Tensor, weight: float, deviation: float) -> Tensor:
    """Return DRAG's step away from the denoised mean: noise turned towards the descent, ``(B, 3, height, width)``.

    Each image's step has length ``sqrt(n) deviation`` exactly, where Gaussian noise has it nearly.

    Args:
        gradient: Of the surprise; only its direction counts.
        noise: Standard Gaussian noise, of the same shape.
        weight: Share of the descent, in [0, 1].
        deviation: Standard deviation of the noise that the step replaces, >= 0.
    """
    radius = _radius(noise, deviation)
    descent = -radius * gradient / _norm(gradient)
    mixed = torch.lerp(noise * deviation, descent, weight)
    return radius * mixed / _norm(mixed)


@torch.no_grad()
def sample(prior: ImagePrior, surprise: Surprise, own: OwnNoise, how: Settings, watch: tuple[int, ...]) -> Samples:
    """Draw samples of images given their releases.

    Every image has noise of its own, so that its samples depend neither on those beside it nor on how many are treated
    at once, and the errors of two images have no noise in common; an image's samples are independent of each other.

    Args:
        prior: Its denoiser works in the units of images.
        surprise: Of all samples at once: images ``(samples * B, 3, height, width)``, the first sample's first.
        own: The noise of B images, not drawn from yet.
        how: The settings.
        watch: Steps, counted from 0, after which the expectation is kept.
    """

    def noise() -> Tensor:
        return own.normal(how.samples, *prior.mean.shape[1:]).transpose(0, 1).flatten(0, 1)

    num_images = len(own)
    times = torch.linspace(EARLIEST, 0, how.steps + 1).tolist()
    u, means, spread = noise(), list[Tensor](), list[Tensor]()
    for step, (now, then) in enumerate(counted([*itertools.pairwise(times)])):
        for left in reversed(range(how.recurrences)):
            u, expected = _step(prior, surprise, u, (now, then), how, noise)
            if left:
                u = _renoised(u, (now, then), noise())
        if step in watch:
            each = expected.unflatten(0, (how.samples, num_images))
            means.append(each.mean(dim=0))
            spread.append(each.var(dim=0) if how.samples > 1 else torch.zeros_like(means[-1]))
    return Samples(u.unflatten(0, (how.samples, num_images)), torch.stack(means), torch.stack(spread))


def _step(
    prior: ImagePrior,
    surprise: Surprise,
    u: Tensor,
    times: tuple[float, float],
    how: Settings,
    noise: Callable[[], Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the less noisy images, and what ``u_0`` is expected to be."""
    (alpha, sigma), (alpha_then, sigma_then) = _schedule(times[0]), _schedule(times[1])
    u = u.detach().requires_grad_()
    with torch.enable_grad():
        u0 = prior(u, torch.full((len(u),), times[0], device=u.device))
    at = Noisy(u, u0, alpha, sigma)
    # the noise of an ancestral step (DDIM with eta = 1)
    deviation = sigma_then / sigma * math.sqrt(max(0.0, 1 - (alpha / alpha_then) ** 2))
    if how.guidance == "dps":
        expected = dps(at, surprise, how.step_size)
    elif how.guidance == "moment":
        expected = moment(at, surprise, how.iterations)
    else:
        expected = u0.detach()
    expected = prior.to_units(prior.to_images(expected).clamp(0, 1))
    direction = (u.detach() - alpha * expected) / sigma
    mean = alpha_then * expected + math.sqrt(max(0.0, sigma_then**2 - deviation**2)) * direction
    if how.guidance == "spherical":
        gradient = at.covariance(_gradient(u0.detach(), surprise))
        return mean + spherical(gradient, noise(), how.weight, deviation), expected
    return mean + deviation * noise(), expected


def _renoised(u: Tensor, times: tuple[float, float], noise: Tensor) -> Tensor:
    """Return images as noisy as before the step."""
    ratio = _schedule(times[0])[0] / _schedule(times[1])[0]
    return ratio * u + math.sqrt(1 - ratio**2) * noise


def _schedule(time: float) -> tuple[float, float]:
    alpha, sigma = signal_and_noise(torch.tensor(time, dtype=torch.float64))
    return float(alpha), float(sigma)


def _gradient(u: Tensor, surprise: Surprise) -> Tensor:
    u = u.requires_grad_()
    with torch.enable_grad():
        loss = surprise(u).sum()
    (gradient,) = torch.autograd.grad(loss, u)
    return gradient


def _times_hessian(gradient: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return the Hessian times v; zero where the surprise is linear."""
    if not gradient.requires_grad:
        return torch.zeros_like(v)
    (product,) = torch.autograd.grad(gradient, u, v, retain_graph=True, materialize_grads=True)
    return product


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return inner products of images, ``(B, 1, 1, 1)``."""
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)


def _norm(v: Tensor) -> Tensor:
    return _dot(v, v).sqrt().clamp_min(1e-20)


def _radius(v: Tensor, deviation: float) -> float:
    """Return the length of Gaussian noise of an image's size."""
    return float(v[0].numel() ** 0.5 * deviation)
