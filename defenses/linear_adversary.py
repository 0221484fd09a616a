"""The best linear attacker in closed form, or kernel attacker: the client is trained against it, never behind.

References:
    Danskin, The Theory of Max-Min, with Applications, 1966 (the envelope theorem).
    Ahmed, Natarajan, Rao, Discrete Cosine Transform, 1974 (nearly the principal components of images).
    Rahimi, Recht, Random Features for Large-Scale Kernel Machines, NIPS 2007.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number, whole

RIDGE = 1e-3
"""Share of the features' mean variance that the attacker takes for more noise."""
LEAST_VARIANCE = 1e-8
INVISIBLE = 1e-6
"""Squared error, added to what is left of a component: below it a reconstruction is perfect to the eye."""


class LinearAdversary(Defense):
    """Penalises ``1/2 sum_k w_k max(0, log(v_k / E (x_k - W_k' z)^2))``, W the best linear map from releases to images.

    ``W = (S_zz + ridge) ^ -1 S_zx`` is solved in every step from moments of releases, noise included, and of images
    within their class; a batch's weight in them falls by ``memory`` a step. x_k are the ``side ** 2`` lowest
    frequencies of each colour (discrete cosine transform), v_k their variances within classes, w_k their shares. At the
    best W the gradient of the error on the client is that of the error at W held fixed (envelope theorem): there is
    no inner loop and no lag but that of the moments. A component that is told no better than by its mean pays nothing,
    or the client would gain by confusing the W of the last steps.

    ``fourier`` adds that many random waves of a release to what the attacker reads, ``s sqrt(2) cos(Omega' z / r + b)``
    with Omega standard normal, b uniform, s the releases' deviation within classes and r the root of their mean squared
    distance: a kernel attacker, of a Gaussian kernel, as near as that many waves come to it; s and r are a batch's own,
    and carry no gradient.

    It bounds nothing: no attacker need be linear. In nats per component, that is, half the logarithm of how many times
    the linear attacker's squared error is below that of a guess by the class.

    Args:
        lam: Weight of the penalty, >= 0.
        side: Frequencies along each side of an image, >= 1, at most its own.
        memory: Share of the moments that a step keeps, in [0, .999].
        fourier: Random waves that the attacker reads beside the release, >= 0.
    """

    strength = "lam"
    reference = "Ours, with the envelope theorem of Danskin, The Theory of Max-Min, with Applications, 1966"
    faithful = "ours"
    cost = "moments of releases, and a system of as many equations as there are features in every step"

    weight: Tensor
    """Of all steps so far, ``()``: 0 before the first, then up to 1."""
    means: Tensor
    """Of what is read and components by class, ``(K, R + M)``: R is D features of the release and ``fourier`` waves."""
    counts: Tensor
    """Images that the means stand for, ``(K,)``."""
    moments: Tensor
    """Second ones within classes of what is read with itself and with components, ``(R, R + M)``."""
    variances: Tensor
    """Of components within classes, ``(M,)``, >= 0."""
    rows: Tensor
    """Frequencies along an image's height, ``(side, height)``."""
    columns: Tensor
    """Along its width, ``(side, width)``."""
    waves: Tensor
    """Omega and, last, b, ``(D + 1, fourier)``; only with waves."""

    def __init__(self, lam: float = 0.1, side: int = 8, memory: float = 0.95, fourier: int = 0) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.side = whole("side", side, least=1)
        self.memory = number("memory", memory, most=0.999)
        self.fourier = whole("fourier", fourier)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        colours, height, width = shapes.image
        self.num_classes = shapes.num_classes
        features = math.prod(shapes.activation) + self.fourier
        if self.fourier:
            drawn = torch.randn(features - self.fourier, self.fourier)
            self.register_buffer("waves", torch.cat([drawn, 2 * math.pi * torch.rand(1, self.fourier)]))
        rows, columns = min(self.side, height), min(self.side, width)
        components = colours * rows * columns
        self.register_buffer("rows", cosines(rows, height))
        self.register_buffer("columns", cosines(columns, width))
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("means", torch.zeros(shapes.num_classes, features + components))
        self.register_buffer("counts", torch.zeros(shapes.num_classes))
        self.register_buffer("moments", torch.zeros(features, features + components))
        self.register_buffer("variances", torch.zeros(components))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the nats that the linear attacker tells of a component, weighted by its variance."""
        if self.lam == 0:
            return super().penalty(batch)
        z, x = self.read(batch.z.float().flatten(1), batch.y), self.components(batch.x.float())
        with torch.no_grad():
            means, counts = self._moved_means(torch.cat([z, x], dim=1), batch.y)
        mean_z, mean_x = means[batch.y].split([z.shape[1], x.shape[1]], dim=1)
        z, x = z - mean_z, x - mean_x
        with torch.no_grad():
            weight = self.memory * self.weight + (1 - self.memory)
            share = (1 - self.memory) / weight
            moments = self.moments.lerp(z.mT @ torch.cat([z, x], dim=1) / len(z), share)
            variances = self.variances.lerp(x.square().mean(0), share)
            solved = _solved(moments)
        if self.training:
            self.weight, self.means, self.counts = weight, means, counts
            self.moments, self.variances = moments, variances
        left = (x - z @ solved).square().mean(0)
        told = ((variances + INVISIBLE) / (left + INVISIBLE)).log().relu() / 2
        total: Tensor = self.lam * (told * variances).sum() / variances.sum().clamp(min=LEAST_VARIANCE)
        return total

    def read(self, z: Tensor, y: Tensor) -> Tensor:
        """Return what the attacker reads of releases ``(B, D)`` of classes ``(B,)``: them and the waves, ``(B, R)``."""
        if not self.fourier:
            return z
        with torch.no_grad():
            own = F.one_hot(y, self.num_classes).to(z.dtype)
            counts = own.sum(0)
            spread = (z - own @ (own.mT @ z / counts.clamp(min=1)[:, None])).square().mean(1).sum()
            within = (spread / (len(z) - (counts > 0).sum()).clamp(min=1)).sqrt()
            apart = (2 * z.var(0, correction=0).sum()).clamp(min=LEAST_VARIANCE).sqrt()
        waves = torch.cos(z @ self.waves[:-1] / apart + self.waves[-1])
        return torch.cat([z, math.sqrt(2) * within * waves], dim=1)

    def components(self, x: Tensor) -> Tensor:
        """Return the lowest frequencies of images ``(B, 3, height, width)``, ``(B, M)``."""
        frequencies: Tensor = self.rows @ x @ self.columns.mT
        return frequencies.flatten(1)

    def _moved_means(self, values: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classes' means and their counts after a batch ``(B, R + M)``."""
        own = F.one_hot(y, self.num_classes).to(values.dtype)
        counts = self.memory * self.counts + own.sum(0)
        sums = (self.memory * self.counts)[:, None] * self.means + own.mT @ values
        return sums / counts.clamp(min=LEAST_VARIANCE)[:, None], counts


def cosines(count: int, size: int) -> Tensor:
    """Return the ``count`` lowest frequencies of the orthonormal cosine transform of ``size`` values, as rows."""
    frequency, place = torch.arange(count)[:, None], torch.arange(size) + 0.5
    waves = torch.cos(math.pi / size * frequency * place) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves


def _solved(moments: Tensor) -> Tensor:
    """Return the best linear map, ``(R, M)``, of moments ``(R, R + M)``."""
    of_features, across = moments.split([len(moments), moments.shape[1] - len(moments)], dim=1)
    ridge = RIDGE * of_features.diagonal().mean().clamp(min=LEAST_VARIANCE)
    system = of_features + ridge * torch.eye(len(moments), device=moments.device)
    # the checked form would wait for the device in every step; with the ridge there is nothing to check
    solved: Tensor = torch.linalg.solve_ex(system, across).result
    return solved
