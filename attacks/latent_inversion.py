"""Searches a generator's latent vectors, and then what lies near its range, for the image behind a release.

References:
    Li, Yang, Sun, Lee, Wang, et al., GAN you see me? Enhanced data reconstruction attacks against split inference,
    2023.
    Halko, Martinsson, Tropp, Finding structure with randomness, 2011.
    Qiu et al., Revisiting the privacy risks of split inference: a GAN-based data reconstruction attack via progressive
    feature optimization, 2025.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Target
from attacks.fitting import channel_statistics
from attacks.generator import Generator
from attacks.inversion import Leaves, Minimum, minimise, ranked, unwatched
from attacks.own_noise import OwnNoise

KEPT = 2
"""Starts of each image that are kept after the search."""

DRAWS = 256
"""Images drawn to see how far features vary."""

LEAST_REST = 0.01
"""Share of the variance outside the principal components, at least: few images do not span all others."""

Look = Callable[[int, Tensor, Tensor], None]
"""What sees an optimisation on its way, as in :func:`attacks.inversion.minimise`."""


class Spread(NamedTuple):
    """A root of the covariance of images within their classes, scaled to a mean variance of 1 a pixel."""

    components: Tensor
    """Principal ones times their deviations, ``(K, 3 height width)``."""
    rest: float
    """Deviation of a pixel in all other directions, > 0."""

    def __call__(self, v: Tensor, pixels: Tensor) -> Tensor:
        """Map standard normal ``(B, K)`` and ``(B, 3, height, width)`` to the latter's shape."""
        return (v @ self.components).view_as(pixels) + self.rest * pixels


def spread(x: Tensor, most: int) -> Spread:
    """Return the spread of images less their class means, ``(N, 3, height, width)``, by at most so many components."""
    flat = x.flatten(1)
    count = min(most, *flat.shape)
    _, deviations, directions = torch.pca_lowrank(flat, count, center=False)
    variances = deviations.square() / len(flat)
    total = flat.square().mean(0).sum().clamp_min(1e-12)
    rest = (total - variances.sum()).clamp_min(LEAST_REST * total) / flat.shape[1]
    scale = (flat.shape[1] / (variances.sum() + rest * flat.shape[1])).sqrt()
    return Spread(scale * variances.sqrt()[:, None] * directions.T, float(scale * rest.sqrt()))


class LatentInversion:
    """Minimises ``surprise(z | x) + |u|^2 / 2 + |w|^2 / 2 + |v|^2 / 2`` image by image, nats.

    ``x = T(H(u, y) + feature_scale d w) + scale R v``: H and T are the generator's lower and upper part, d is the
    deviation of a feature over images, R a root of the images' covariance, y the label that the server predicts. A
    priori u, w and v are standard normal.

    Args:
        target: The network under attack.
        generator: In eval mode.
        restarts: Vectors u to start from, each image's own; >= ``KEPT``.
        lr: Highest learning rate, in deviations, > 0.
        feature_scale: Deviation of a feature from the generator's, as a share of d, > 0.
        spread: Of the attacker's images.
    """

    def __init__(
        self, target: Target, generator: Generator, restarts: int, lr: float, feature_scale: float, spread: Spread
    ) -> None:
        self.target, self.generator, self.lr, self.spread = target, generator, lr, spread
        device = generator.offset.device
        self.restarts, self.seed = restarts, int(torch.randint(2**62, ()))
        with torch.no_grad():
            y = torch.randint(target.num_classes, (DRAWS,), device=device)
            features = generator.features(torch.randn(DRAWS, generator.latent, device=device), y)
        self.feature_scale = feature_scale * channel_statistics(features)[1]
        self.scale = 0.0
        """Deviation of a pixel from the generator's, >= 0."""

    @torch.no_grad()
    def labels(self, z: Tensor) -> Tensor:
        """Return the labels that the server predicts, ``(B,)``."""
        return self.target.server(z).argmax(1)

    @torch.no_grad()
    def images(self, z: Tensor, u: Tensor) -> Tensor:
        """Return the generator's images in [0, 1], ``(S, B, 3, height, width)``, of u ``(S, B, latent)``."""
        x: Tensor = self.generator(u.flatten(0, 1), self.labels(z).repeat(len(u)))
        by_start: Tensor = x.unflatten(0, u.shape[:2])
        return by_start

    def search(self, z: Tensor, steps: int, watch: Look = unwatched) -> Tensor:
        """Return where the best starts led to, least objective first, ``(KEPT, B, latent)``, from releases."""
        starts = OwnNoise(z, self.seed).normal(self.restarts, self.generator.latent).transpose(0, 1)
        return self._within(z, starts, steps, watch)[:KEPT]

    def refine(self, z: Tensor, u: Tensor, steps: int, watch: Look = unwatched) -> Tensor:
        """Return where u ``(S, B, latent)`` lead to, least objective first, ``(S, B, latent)``."""
        return self._within(z, u, steps, watch)

    def free(self, z: Tensor, u: Tensor, steps: int, watch: Look = unwatched) -> Tensor:
        """Return where u ``(S, B, latent)``, w and v lead to, least objective first, ``(S, B, 3, height, width)``."""
        y, start = self.labels(z).repeat(len(u)), u.flatten(0, 1)
        with torch.no_grad():
            features = torch.zeros_like(self.generator.features(start, y))
        components = start.new_zeros(len(start), len(self.spread.components))
        pixels = start.new_zeros(len(start), *self.target.image_shape)

        def images(leaves: Leaves) -> Tensor:
            u, w, *v = leaves
            within = self.generator.image(self.generator.features(u, y) + self.feature_scale * w, y)
            return within + self.scale * self.spread(*v)

        found = self._minimised(z, [start, features, components, pixels], images, len(u), steps, watch)
        return ranked(found.x, found.objective.unflatten(0, u.shape[:2])).clamp(0, 1)

    def _within(self, z: Tensor, u: Tensor, steps: int, watch: Look) -> Tensor:
        y = self.labels(z).repeat(len(u))
        found = self._minimised(z, [u.flatten(0, 1)], lambda leaves: self.generator(leaves[0], y), len(u), steps, watch)
        order = found.objective.unflatten(0, u.shape[:2]).argsort(0)[:, :, None]
        ordered: Tensor = found.leaves[0].unflatten(0, u.shape[:2]).take_along_dim(order, 0)
        return ordered

    def _minimised(
        self, z: Tensor, start: Leaves, images: Callable[[Leaves], Tensor], count: int, steps: int, watch: Look
    ) -> Minimum:
        releases = z.repeat(count, 1, 1, 1)

        def objective(x: Tensor, leaves: Leaves) -> Tensor:
            improbable = torch.stack([leaf.square().flatten(1).sum(1) for leaf in leaves]).sum(0) / 2
            return self.target.surprise(x, releases) + improbable

        return minimise(start, images, objective, steps, self.lr, watch=watch)


def later(watch: Look, steps: int) -> Look:
    """Return what sees a stage that begins after so many steps; its start was seen as the end of the one before."""

    def look(step: int, x: Tensor, objective: Tensor) -> None:
        if step:
            watch(steps + step, x, objective)

    return look
