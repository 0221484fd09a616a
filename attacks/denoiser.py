"""A model of images for diffusion: a denoiser made of principal components and a small U-Net.

References:
    Ho, Jain, Abbeel, Denoising diffusion probabilistic models, 2020.
    Nichol, Dhariwal, Improved denoising diffusion probabilistic models, 2021.
    Salimans, Ho, Progressive distillation for fast sampling of diffusion models, 2022.
"""

import copy
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images, Point
from attacks.components import components
from attacks.lasting import Course, State, lasting
from attacks.networks import Sizes, UNet
from attacks.precision import autocast
from attacks.verdict import still_falling

CURVE_POINTS = 10
"""Most validations in a training."""

HELD_OUT = (0.05, 256)
"""Share of the attacker's images that a prior is validated on instead of trained on, and their greatest number."""

PROBES = 64
"""Noisy images that a prior is validated on, at least: held-out ones are taken several times, at other times."""

LEAST_VARIANCE = 1e-5
"""Of a direction in the prior's units: images are rounded, and training on few must not take any for constant."""

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""


def signal_and_noise(time: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma of ``u_t = alpha u_0 + sigma e`` at times in [0, 1]: the cosine schedule.

    Same shape as the times; ``alpha^2 + sigma^2 = 1``.
    """
    return torch.cos(time * math.pi / 2), torch.sin(time * math.pi / 2)


class ImagePrior(nn.Module):
    """What the sampler needs of a prior: units of about zero mean and unit variance, and a denoiser in them.

    Args:
        image_shape: ``(3, height, width)``.
    """

    mean: Tensor
    """In [0, 1], ``(1, 3, height, width)``."""
    deviation: Tensor
    """Of a pixel from the mean, in [0, 1], a scalar."""
    unfinished: Tensor
    """1 if its training was still improving when it ended, else 0; a scalar."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, *image_shape), 0.5))
        self.register_buffer("deviation", torch.tensor(0.25))
        self.register_buffer("unfinished", torch.tensor(0.0))

    def to_units(self, x: Tensor) -> Tensor:
        """Turn images in [0, 1] into the prior's units, both ``(B, 3, height, width)``."""
        return (x - self.mean) / self.deviation

    def to_images(self, u: Tensor) -> Tensor:
        """Turn the prior's units into images, not clamped."""
        return self.mean + self.deviation * u

    def forward(self, u: Tensor, time: Tensor) -> Tensor:
        """Return ``E[u_0 | u_t]``, ``(B, 3, height, width)``, of noisy images at times ``(B,)`` in (0, 1)."""
        raise NotImplementedError


class Denoiser(ImagePrior):
    """The exact denoiser of Gaussian images, corrected by a U-Net that predicts what it lacks.

    The Gaussian has the attacker's principal components and white noise beside them, so that the network, which
    predicts the rest of ``v = alpha e - sigma u_0``, need not learn what second moments tell: with few images or little
    time that is most. Untrained it returns the Gaussian's answer.

    Args:
        image_shape: ``(3, height, width)``.
        sizes: Of the U-Net.
        components: Principal components at most, >= 1.
    """

    basis: Tensor
    """Orthonormal, ``(components, 3 * height * width)``; those not used are zero."""
    variances: Tensor
    """Along them, in the prior's units, ``(components,)``."""
    remainder: Tensor
    """Variance in every other direction, a scalar."""

    def __init__(self, image_shape: tuple[int, int, int], sizes: Sizes, components: int) -> None:
        super().__init__(image_shape)
        components = min(components, math.prod(image_shape))
        self.register_buffer("basis", torch.zeros(components, math.prod(image_shape)))
        self.register_buffer("variances", torch.ones(components))
        self.register_buffer("remainder", torch.tensor(1.0))
        self.network = UNet(2 * image_shape[0], image_shape[0], sizes)

    def forward(self, u: Tensor, time: Tensor) -> Tensor:
        """Return ``alpha u_t - sigma v``."""
        alpha, sigma = _broadcast(time)
        return alpha * u - sigma * self.velocity(u, time)

    def velocity(self, u: Tensor, time: Tensor) -> Tensor:
        """Return the predicted v, ``(B, 3, height, width)`` float32."""
        (alpha, sigma), u0 = _broadcast(time), self.gaussian(u, time)
        correction: Tensor = self.network(torch.cat((u, u0), dim=1), time)
        return (alpha * u - u0) / sigma + correction

    def gaussian(self, u: Tensor, time: Tensor) -> Tensor:
        """Return ``E[u_0 | u_t]`` of Gaussian images with the components, ``(B, 3, height, width)`` float32."""
        alpha, sigma = (factor[:, None] for factor in signal_and_noise(time))
        with torch.autocast(u.device.type, enabled=False):
            flat = u.flatten(1)
            gain = alpha * self.variances / (alpha**2 * self.variances + sigma**2)
            rest = alpha * self.remainder / (alpha**2 * self.remainder + sigma**2)
            return (rest * flat + ((gain - rest) * (flat @ self.basis.T)) @ self.basis).view_as(u)

    def measure(self, x: Tensor, held: Tensor) -> None:
        """Set means, deviation and components from images in [0, 1]; how many, by the likelihood of those held out."""
        self.mean.copy_(x.mean(dim=0, keepdim=True))
        self.deviation.copy_((x - self.mean).square().mean().sqrt().clamp_min(1e-3))
        u, held = self.to_units(x).flatten(1), self.to_units(held).flatten(1)
        if len(u) < 2:
            return
        found = components(u, held, len(self.basis), LEAST_VARIANCE)
        self.remainder.copy_(found.remainder)
        self.basis.zero_()[: len(found.basis)] = found.basis
        self.variances[: len(found.variances)] = found.variances


class Training(NamedTuple):
    """How a prior is trained."""

    steps: int
    """Optimiser steps, >= 1."""
    batch_size: int
    """Images of a step, >= 1."""
    lr: float
    """Highest learning rate of AdamW, > 0; rises, then falls to nought along a cosine."""
    ema: float
    """Decay of the running average of weights that is kept, in [0, 1); less over the first steps."""


def train(
    prior: Denoiser, aux: Images, training: Training, precision: torch.dtype = torch.float32
) -> tuple[Point, ...]:
    """Train a prior in place, mean squared error of v at uniform times; keep the average that denoises best.

    Autocast uses ``precision``.

    A few of the images are held out: the curve's validation is the mean squared error of denoising them, in [0, 1]
    units, over fixed noise and times in the earlier half (almost pure noise tells no two priors apart). The weights
    kept are those of its least point, the untrained ones included, so that few images are not learned by heart;
    ``prior.unfinished`` becomes 1 if the curve was still falling at its end.
    """
    u, held = _measured(prior, aux.x)
    probe = _noised(held.repeat(math.ceil(PROBES / len(held)), 1, 1, 1), latest=0.5)
    average = copy.deepcopy(prior)
    least, best = _error(average, probe), copy.deepcopy(average.state_dict())
    curve, losses = list[Point](), list[Tensor]()
    optimiser = torch.optim.AdamW(prior.parameters(), lr=training.lr, weight_decay=1e-4, fused=True)
    points = {round(training.steps * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}

    def state() -> State:
        own = {"least": least, "best": best, "curve": [[*point] for point in curve], "losses": losses}
        parts = {"prior": prior.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
        return own | parts

    def restore(found: State) -> None:
        nonlocal least, best
        prior.load_state_dict(found["prior"])
        average.load_state_dict(found["average"])
        optimiser.load_state_dict(found["optimiser"])
        least, best = found["least"], found["best"]
        curve.extend(Point(*point) for point in found["curve"])
        losses.extend(found["losses"])

    for step in lasting(training.steps, Course(state, restore), kept=points):
        optimiser.param_groups[0]["lr"] = training.lr * _factor(step / training.steps)
        drawn = torch.randint(len(u), (training.batch_size,), device=u.device)
        losses.append(_step(prior, u[drawn], optimiser, precision))
        _follow(average, prior, min(training.ema, (1 + step) / (10 + step)))
        if step in points:
            curve.append(Point(step, float(torch.stack(losses).mean()), _error(average, probe)))
            losses.clear()
            if curve[-1].validation < least:
                least, best = curve[-1].validation, copy.deepcopy(average.state_dict())
    prior.load_state_dict(best)
    prior.unfinished.fill_(float(still_falling(curve)))
    return tuple(curve)


def _measured(prior: Denoiser, x: Tensor) -> tuple[Tensor, Tensor]:
    """Hold out a few of uint8 images, measure the others; return these and those, in the prior's units."""
    num_held = min(max(1, round(len(x) * HELD_OUT[0])), HELD_OUT[1])
    x = (x.float() / 255)[torch.randperm(len(x), device=x.device)]
    held, x = (x[:num_held], x[num_held:]) if len(x) > num_held else (x, x)
    prior.measure(x, held)
    return prior.to_units(x), prior.to_units(held)


def _step(prior: Denoiser, clean: Tensor, optimiser: torch.optim.Optimizer, precision: torch.dtype) -> Tensor:
    """Take one step on images in the prior's units; return its loss, detached."""
    noised = _noised(clean)
    with autocast(clean.device, precision):
        velocity = prior.velocity(noised.u, noised.time)
    loss = F.mse_loss(velocity, noised.velocity)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


class _Noised(NamedTuple):
    clean: Tensor
    u: Tensor
    time: Tensor
    velocity: Tensor


def _noised(clean: Tensor, latest: float = 1.0) -> _Noised:
    """Add noise at times spread evenly over (0, latest), one an image, in random order: steadier than independent."""
    order = torch.randperm(len(clean), device=clean.device)
    time = (order + torch.rand(len(clean), device=clean.device)) / len(clean) * 0.99 * latest + 0.005
    alpha, sigma = _broadcast(time)
    noise = torch.randn_like(clean)
    return _Noised(clean, alpha * clean + sigma * noise, time, alpha * noise - sigma * clean)


def _broadcast(time: Tensor) -> tuple[Tensor, Tensor]:
    alpha, sigma = signal_and_noise(time)
    return alpha[:, None, None, None], sigma[:, None, None, None]


@torch.no_grad()
def _error(prior: Denoiser, probe: _Noised) -> float:
    pairs = zip(probe.clean.split(256), probe.u.split(256), probe.time.split(256), strict=True)
    squares = [(prior(u, time) - clean).square().sum() for clean, u, time in pairs]
    return float(torch.stack(squares).sum() / probe.clean.numel() * prior.deviation.square())


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)


def _factor(progress: float) -> float:
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
