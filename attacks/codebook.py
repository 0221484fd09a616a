"""A known answer for any client, any defense and any attack: images are drawn from a codebook that everybody knows.

With x uniform on K images the posterior given a release is a softmax of ``-surprise``, so that wherever ``surprise`` is
the law of what is released, no reconstruction has less squared error than the posterior mean, and nobody names the
image more often than the posterior mode. Who does better than that has not attacked: something was measured wrongly.

References:
    Shannon, A mathematical theory of communication, 1948 (a code that sender and receiver share).
    Robert, The Bayesian choice, 2007 (mean and mode of the posterior as best answers).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Images, Target
from attacks.fitting import unit

PAIRS = 8192
"""Pairs of a release and an image whose surprise is computed at once."""


class Estimate(NamedTuple):
    """A mean over random draws."""

    value: float
    error: float
    """Its standard error, >= 0."""


def estimate(values: Tensor) -> Estimate:
    """Return the mean of independent values ``(N,)``, N >= 2."""
    return Estimate(float(values.mean()), float(values.std()) / math.sqrt(len(values)))


class Draws(NamedTuple):
    """Images drawn from a codebook, and what the best of all attackers makes of a release of each."""

    chosen: Tensor
    """Which of the K images they are, int64, ``(N,)``."""
    x: Tensor
    """In [0, 1], ``(N, 3, height, width)``."""
    z: Tensor
    """Releases, ``(N, C, H, W)``."""
    posterior: Tensor
    """Probabilities of the K images, ``(N, K)``."""
    best: Tensor
    """The posterior mean, ``(N, 3, height, width)``."""
    variance: Tensor
    """Its mean squared error by the posterior's own account, ``(N,)``."""

    def least_error(self) -> Estimate:
        """Return the least mean squared error that any attack can have in expectation."""
        return estimate(self.variance)

    def most_identified(self) -> Estimate:
        """Return the greatest share of images that any attack can name in expectation."""
        return estimate(self.posterior.amax(1))

    def error(self, x_hat: Tensor) -> Estimate:
        """Return the mean squared error of reconstructions ``(N, 3, height, width)``."""
        return estimate(_errors(x_hat, self.x))

    def gain(self, x_hat: Tensor) -> Estimate:
        """Return by how much reconstructions are better than the posterior mean on these draws.

        Its expectation is at most nought, and what both miss by chance cancels.
        """
        return estimate(_errors(self.best, self.x) - _errors(x_hat, self.x))

    def excess(self, x_hat: Tensor) -> float:
        """Return the mean squared error of reconstructions over the least, >= 1, with little sampling error.

        By Pythagoras the error is the posterior's variance and the squared distance from its mean.
        """
        return 1 + float(_errors(x_hat, self.best).mean()) / float(self.variance.mean())


class Codebook:
    """Images drawn uniformly from K known ones, behind a target.

    Args:
        target: Of any client and defense whose ``surprise`` is exact.
        images: The K images, K >= 2.
    """

    def __init__(self, target: Target, images: Images) -> None:
        self.target, self.images, self._x = target, images, unit(images.x)

    def sample(self, num_images: int) -> Images:
        """Draw images from the global random state."""
        chosen = torch.randint(len(self._x), (num_images,))
        return Images(self.images.x[chosen], self.images.y[chosen])

    def draw(self, num_images: int) -> Draws:
        """Draw images and a release of each from the global random state, N = ``num_images`` >= 2."""
        chosen = torch.randint(len(self._x), (num_images,))
        x = self._x[chosen]
        z = self.target.release(x)
        posterior = self.posterior(z)
        best = (posterior @ self._x.double().flatten(1)).view_as(x).float()
        distances = torch.cdist(best.flatten(1).double(), self._x.flatten(1).double()).square() / x[0].numel()
        return Draws(chosen, x, z, posterior, best, (posterior * distances).sum(1))

    @torch.no_grad()
    def posterior(self, z: Tensor) -> Tensor:
        """Return the probabilities of the K images given releases ``(N, C, H, W)``, float64, ``(N, K)``."""
        count = len(self._x)
        rows = []
        for part in z.split(max(1, PAIRS // count)):
            images = self._x.repeat(len(part), 1, 1, 1)
            rows.append(self.target.surprise(images, part.repeat_interleave(count, 0)).view(len(part), count))
        return (-torch.cat(rows).double()).softmax(1)


def _errors(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean(dim=(1, 2, 3))
