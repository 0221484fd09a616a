"""Features of known information, on which the contract holds bounds to what they declare.

References:
    Cover and Thomas, Elements of Information Theory, 2006: theorem 8.4.1 (the entropy of a Gaussian vector).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.base import Shapes

SHAPES = Shapes(image=(3, 8, 8), activation=(2, 2, 4), num_classes=4)
NUM_FEATURES = math.prod(SHAPES.activation)
COMPONENTS = 3
"""Of each class, where there are several."""
APART = 4.0
"""Between components: so far that no noise confuses them."""
CLASSES_APART = 0.3
GRID = 4001
"""Points of the integral over the release of a saturated feature."""


class Interval(NamedTuple):
    """Between what the truth lies, nats of I(x; z | y) per feature."""

    least: float
    most: float


class Problem(NamedTuple):
    """A law of features, each class having its own mean."""

    draw: Callable[[int], tuple[Tensor, Tensor]]
    """Return so many features, ``(N, C, H, W)``, and labels, from the global RNG."""
    truth: Callable[[Tensor], Interval]
    """Return the information in features with Gaussian noise of these variances, ``(D,)``."""

    def scaled(self, size: float) -> "Problem":
        """Return the problem with all features multiplied by ``size``."""

        def draw(count: int) -> tuple[Tensor, Tensor]:
            z, y = self.draw(count)
            return size * z, y

        return Problem(draw, lambda noise: self.truth(noise / size**2))


def gaussian() -> Problem:
    """Independent Gaussians, from far below the noise to above it."""
    deviation = torch.logspace(-1.7, -0.3, NUM_FEATURES)
    return Problem(
        lambda count: _labelled(deviation * torch.randn(count, NUM_FEATURES)),
        lambda noise: _known(torch.log1p(deviation.square() / noise).mean() / 2),
    )


def mixture() -> Problem:
    """Three such components in every class, far apart."""
    deviation = torch.logspace(-1.7, -0.7, NUM_FEATURES)
    centres = APART * F.one_hot(torch.arange(NUM_FEATURES) % COMPONENTS, COMPONENTS).T

    def draw(count: int) -> tuple[Tensor, Tensor]:
        which = torch.randint(COMPONENTS, (count,))
        return _labelled(centres[which] + deviation * torch.randn(count, NUM_FEATURES))

    def truth(noise: Tensor) -> Interval:
        label = math.log(COMPONENTS) / NUM_FEATURES
        return _known(torch.log1p(deviation.square() / noise).mean() / 2 + label)

    return Problem(draw, truth)


def correlated() -> Problem:
    """Gaussians that share four directions, so that features repeat one another."""
    generator = torch.Generator().manual_seed(5)
    mixing = 0.3 * torch.randn(NUM_FEATURES, 4, generator=generator)
    covariance = (mixing @ mixing.T + 0.02**2 * torch.eye(NUM_FEATURES)).double()

    def draw(count: int) -> tuple[Tensor, Tensor]:
        shared = torch.randn(count, 4) @ mixing.T
        return _labelled(shared + 0.02 * torch.randn(count, NUM_FEATURES))

    def truth(noise: Tensor) -> Interval:
        relative = torch.eye(NUM_FEATURES).double() + covariance / noise.double()[:, None]
        return _known(torch.linalg.slogdet(relative).logabsdet / (2 * NUM_FEATURES))

    return Problem(draw, truth)


def saturated() -> Problem:
    """Features that are 0 or 1, each with a probability of its own: a client's sigmoid driven to its ends."""
    ones = torch.linspace(0.1, 0.9, NUM_FEATURES)
    return Problem(
        lambda count: _labelled((torch.rand(count, NUM_FEATURES) < ones).float()),
        lambda noise: _known(binary(ones, noise).mean()),
    )


def wide() -> Problem:
    """A narrow and a wide component about one centre: what noise hides of the one it leaves of the other."""
    narrow, broad = torch.full((NUM_FEATURES,), 0.02), torch.full((NUM_FEATURES,), 0.5)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        deviation = torch.where(torch.rand(count, 1) < 0.5, narrow, broad)
        return _labelled(deviation * torch.randn(count, NUM_FEATURES))

    def truth(noise: Tensor) -> Interval:
        known = sum(float(torch.log1p(each.square() / noise).mean()) / 4 for each in (narrow, broad))
        return Interval(known, known + math.log(2) / NUM_FEATURES)

    return Problem(draw, truth)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "gaussian": gaussian,
    "mixture": mixture,
    "correlated": correlated,
    "saturated": saturated,
    "wide": wide,
}


def binary(ones: Tensor, noise: Tensor) -> Tensor:
    """Return what a feature that is 1 with a probability and else 0 tells through Gaussian noise, nats, ``(D,)``.

    Args:
        ones: The probabilities, ``(D,)``, in (0, 1).
        noise: Variances of the noise, ``(D,)``, > 0.
    """
    ones, std = ones.double(), noise.double().sqrt()
    margin = 8 * float(std.max())
    z = torch.linspace(-margin, 1 + margin, GRID, dtype=torch.float64)[:, None]
    normal = [torch.exp(-((z - at) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi)) for at in (0, 1)]
    density = (1 - ones) * normal[0] + ones * normal[1]
    entropy = torch.trapezoid(-torch.xlogy(density, density), z.expand_as(density), dim=0)
    return entropy - (2 * math.pi * math.e * std**2).log() / 2


def _labelled(z: Tensor) -> tuple[Tensor, Tensor]:
    y = torch.arange(len(z)) % SHAPES.num_classes
    return (z + CLASSES_APART * y[:, None]).view(-1, *SHAPES.activation), y


def _known(nats: Tensor) -> Interval:
    return Interval(float(nats), float(nats))
