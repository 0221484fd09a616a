"""A class-conditional generator of images, and its training against a discriminator on the attacker's images.

References:
    Radford, Metz, Chintala, Unsupervised representation learning with deep convolutional generative adversarial
    networks, 2016.
    Miyato, Kataoka, Koyama, Yoshida, Spectral normalization for generative adversarial networks, 2018.
    Miyato, Koyama, cGANs with projection discriminator, 2018.
    Karras, Aila, Laine, Lehtinen, Progressive growing of GANs for improved quality, stability, and variation, 2018.
    Zhao, Liu, Lin, Zhu, Han, Differentiable augmentation for data-efficient GAN training, 2020.
"""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from attacks.base import Images, Point
from attacks.fitting import CURVE_POINTS, Average, unit, warm_cosine
from attacks.guesses import class_mean
from attacks.lasting import Course, State, lasting
from attacks.precision import autocast

DOUBLINGS = 3
"""Times the size is doubled on the way to the image."""

WIDEST = 4
"""Width at the lowest sizes over that at the image's."""

SHIFT = 8
"""Part of the image's side by which it is shifted at most, before the discriminator sees it: an eighth."""

BRIGHTER = 0.2
"""Most that the same adds to an image."""

MOMENTS = 256
"""Images generated for a point of the curve."""


class Training(NamedTuple):
    """How a generator is trained."""

    steps: int
    """Of generator and discriminator each, >= 1."""
    batch_size: int
    """Images of a step, >= 1; at most as many as there are."""
    lr: float
    """Highest learning rate of both Adams, > 0."""
    ema: float
    """Decay of the average of the generator's weights, in [0, 1)."""


class Generator(nn.Module):
    """Draws images from a latent vector u, standard normal, and a class; untrained, all of a class are one image.

    Every image is treated by itself (no batch norm), so that training and inversion see the same map.

    Args:
        image_shape: ``(3, height, width)``.
        num_classes: Number of classes, >= 1.
        latent: Length of u, >= 1.
        width: Channels at the image's size, >= 1; up to ``WIDEST`` times that below.
    """

    offset: Tensor
    """Logits of the classes' mean images, ``(num_classes, 3, height, width)``."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, latent: int, width: int) -> None:
        super().__init__()
        self.latent, self.size = latent, image_shape[1:]
        self.grid = tuple(-(-side // 2**DOUBLINGS) for side in self.size)
        widths = [width * min(WIDEST, 2 ** (DOUBLINGS - i)) for i in range(DOUBLINGS + 1)]
        self.label = nn.Embedding(num_classes, latent)
        self.dense = nn.Linear(2 * latent, widths[0] * self.grid[0] * self.grid[1])
        self.first = Doubling(widths[0], widths[1])
        self.rest = nn.Sequential(*(Doubling(widths[i], widths[i + 1]) for i in range(1, DOUBLINGS)))
        self.last = nn.Conv2d(widths[-1], image_shape[0], 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # a convolution with a bias has one
        self.register_buffer("offset", torch.zeros(num_classes, *image_shape))

    def forward(self, u: Tensor, y: Tensor) -> Tensor:
        """Return images in [0, 1], ``(B, 3, height, width)`` float32, from ``(B, latent)`` and classes ``(B,)``."""
        return self.image(self.features(u, y), y)

    def features(self, u: Tensor, y: Tensor) -> Tensor:
        """Return the features after the first doubling, ``(B, C, H, W)``."""
        h = self.dense(torch.cat([u, self.label(y)], dim=1)).unflatten(1, (-1, *self.grid))
        h = F.leaky_relu(_normalised(h.contiguous(memory_format=torch.channels_last)), 0.2)
        features: Tensor = self.first(h)
        return features

    def image(self, features: Tensor, y: Tensor) -> Tensor:
        """Return the images in [0, 1], ``(B, 3, height, width)`` float32, that features of classes ``(B,)`` make."""
        logits = self.last(self.rest(features)).float()[:, :, : self.size[0], : self.size[1]]
        return torch.sigmoid(logits + self.offset[y])

    def centre(self, x: Tensor, y: Tensor) -> None:
        """Draw, where nothing is known of u, the mean of images in [0, 1] ``(N, 3, height, width)`` of each class."""
        self.offset.copy_(torch.logit(class_mean(x, y, len(self.offset)), eps=1e-2))


class Doubling(nn.Module):
    """Doubles the size: transposed convolution, a norm over each position's channels, leaky ReLU."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(num_in, num_out, 4, stride=2, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        """Map ``(B, num_in, H, W)`` to ``(B, num_out, 2 H, 2 W)``."""
        return F.leaky_relu(_normalised(self.convolution(h)), 0.2)


class Discriminator(nn.Module):
    """Says how real an image of a class looks, by projection on the class; Lipschitz by spectral norms.

    Args:
        num_classes: Number of classes, >= 1.
        width: Channels after the first convolution, >= 1; doubled by each further one.
    """

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width]
        self.body = nn.Sequential(
            *(
                layer
                for num_in, num_out in pairwise(channels)
                for layer in (spectral_norm(nn.Conv2d(num_in, num_out, 4, stride=2, padding=1)), nn.LeakyReLU(0.2))
            )
        )
        self.label = spectral_norm(nn.Embedding(num_classes, channels[-1]))
        self.out = spectral_norm(nn.Linear(channels[-1], 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return a score ``(B,)`` from images in [0, 1], ``(B, 3, height, width)``, and classes ``(B,)``."""
        h = self.body((2 * x - 1).contiguous(memory_format=torch.channels_last)).sum(dim=(2, 3))
        score: Tensor = self.out(h)[:, 0] + (h * self.label(y)).sum(1)
        return score.float()


def train(
    generator: Generator, width: int, aux: Images, training: Training, precision: torch.dtype = torch.float32
) -> tuple[Point, ...]:
    """Train a generator in place, hinge loss, one step of each in turn; return its learning curve.

    The curve's train is the discriminator's loss, 2 where it cannot tell; its validation the mean over pixels of the
    squared differences of mean and standard deviation between generated and the attacker's images, in [0, 1] units.
    The average of weights is kept, of the point at which that was least.

    Args:
        generator: Untrained.
        width: Of the discriminator, >= 1.
        aux: The attacker's images.
        training: How long and how.
        precision: What autocast uses.
    """
    generator.centre(unit(aux.x), aux.y)
    generator.to(memory_format=torch.channels_last)
    game = _Game(generator, width, aux, training, precision)
    points = {math.ceil(training.steps * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}
    best, curve, losses = copy.deepcopy(generator.state_dict()), list[Point](), list[Tensor]()

    def state() -> State:
        own = {"best": best, "curve": [[*point] for point in curve], "losses": losses}
        return own | {"parts": [part.state_dict() for part in game.parts()]}

    def restore(found: State) -> None:
        nonlocal best
        best = found["best"]
        for part, own in zip(game.parts(), found["parts"], strict=True):
            part.load_state_dict(own)
        curve.extend(Point(*point) for point in found["curve"])
        losses.extend(found["losses"])

    for step in lasting(training.steps, Course(state, restore), kept=points):
        losses.append(game.step(training.lr * warm_cosine(step - 1, training.steps, 1)))
        if step in points:
            curve.append(Point(step, float(torch.stack(losses).mean()), game.distance()))
            losses.clear()
            if curve[-1].validation <= min(point.validation for point in curve):
                best = copy.deepcopy(game.average.network.state_dict())
    generator.load_state_dict(best)
    generator.eval()
    return tuple(curve)


class _Game:
    """A generator and its discriminator in training."""

    def __init__(
        self, generator: Generator, width: int, aux: Images, training: Training, precision: torch.dtype
    ) -> None:
        device, num_classes = aux.x.device, len(generator.offset)
        self.generator, self.aux, self.batch_size = generator.train(), aux, min(training.batch_size, len(aux.x))
        self.average = Average(generator, training.ema)
        self.discriminator = Discriminator(num_classes, width).to(device).to(memory_format=torch.channels_last)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), betas=(0.0, 0.99), fused=True)
            for network in (self.generator, self.discriminator)
        ]
        self.precision = precision
        self.u, self.y = torch.randn(MOMENTS, generator.latent, device=device), self._indices(MOMENTS)
        x = unit(aux.x)
        self.moments = (x.mean(0), x.std(0, correction=0))

    def parts(self) -> Sequence[Any]:
        """Return all that a step changes."""
        return [self.generator, self.average, self.discriminator, *self.optimisers]

    def step(self, lr: float) -> Tensor:
        """Take a step of the discriminator and one of the generator; return the former's loss, detached."""
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = lr
        real, other = self._indices(self.batch_size), self.aux.y[self._indices(self.batch_size)]
        x, y = unit(self.aux.x[real]), self.aux.y[real]
        u = torch.randn(self.batch_size, self.generator.latent, device=x.device)
        with autocast(x.device, self.precision):
            drawn = self.generator(u, other)
            score = self.discriminator(_augmented(torch.cat([x, drawn.detach()])), torch.cat([y, other]))
        told, untold = score.chunk(2)
        loss = F.relu(1 - told).mean() + F.relu(1 + untold).mean()
        self._descend(self.optimisers[1], self.discriminator, loss)
        with autocast(x.device, self.precision):
            deceived = -self.discriminator(_augmented(drawn), other).mean()
        self._descend(self.optimisers[0], self.generator, deceived)
        self.average.update(self.generator)
        return loss.detach()

    @torch.no_grad()
    def distance(self) -> float:
        """Return how far mean and deviation of what the average draws are from the data's, squared."""
        drawn = self.average.network(self.u, self.aux.y[self.y])
        ours = (drawn.mean(0), drawn.std(0, correction=0))
        return float(sum((a - b).square().mean() for a, b in zip(ours, self.moments, strict=True)))

    def _indices(self, count: int) -> Tensor:
        return torch.randint(len(self.aux.x), (count,), device=self.aux.x.device)

    @staticmethod
    def _descend(optimiser: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
        parameters = list(network.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()


def _normalised(h: Tensor) -> Tensor:
    """Return features ``(B, C, H, W)`` with a mean square of 1 over the channels of each position."""
    return h * (h.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def _augmented(x: Tensor) -> Tensor:
    """Shift and brighten images at random, each by itself, so that few of them are not learnt by heart."""
    count, _, *sides = x.shape
    for axis, side in enumerate(sides, start=2):
        most = max(1, side // SHIFT)
        shift = torch.randint(-most, most + 1, (count, 1), device=x.device)
        where = (torch.arange(side, device=x.device) + shift).clamp(0, side - 1)
        x = x.gather(axis, where.view(count, 1, *((side, 1) if axis == 2 else (1, side))).expand_as(x))
    return x + BRIGHTER * (2 * torch.rand(count, 1, 1, 1, device=x.device) - 1)
