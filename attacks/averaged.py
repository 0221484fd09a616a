"""A target that releases what several releases of an image come to: what these are likeliest to come from."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from attacks.base import Target
from attacks.likelihood import effective_sigma, gaussian_surprise

MOST_VALUES = 2**25
"""Numbers drawn at once."""

ROUNDS = 3
"""Times that hidden values are told from others by their mean so far."""


class Averaged:
    """Another target, seen through what ``num_releases`` independent releases of an image come to (:func:`averaged`).

    With additive Gaussian noise that is their mean, which says all there is to know (it is a sufficient statistic), and
    its noise is less by ``sqrt(num_releases)``.

    Args:
        target: The other target.
        num_releases: >= 1.
    """

    def __init__(self, target: Target, num_releases: int) -> None:
        self.target, self.num_releases = target, num_releases
        self.sigma = target.sigma / math.sqrt(num_releases)
        self.spread, self.extent, self.mirrors = target.spread, target.extent, target.mirrors
        self.image_shape, self.activation_shape = target.image_shape, target.activation_shape
        self.num_classes, self.precision = target.num_classes, target.precision

    @property
    def defense(self) -> nn.Module:
        """The other target's defense."""
        return self.target.defense

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release."""
        return self.target.mean(x)

    @torch.no_grad()
    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent ones; the client runs once on each image."""
        if self.num_releases == 1:
            return self.target.release(x, m)
        drawn = self.num_releases * m
        chunk = max(1, MOST_VALUES // (drawn * math.prod(self.activation_shape)))
        z = torch.cat([self._averaged(self.target.release(part, drawn), m) for part in x.split(chunk)], dim=1)
        return z[0] if m == 1 else z

    def _averaged(self, z: Tensor, m: int) -> Tensor:
        """Return what releases ``(m * num_releases, B, ...)`` come to in as many groups, ``(m, B, ...)``."""
        groups = z.unflatten(0, (m, self.num_releases)).movedim(1, 0)
        together: Tensor = averaged(groups.flatten(1, 2), self.target).unflatten(0, groups.shape[1:3])
        return together

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return what is left of the standard deviation of the defense's own noise."""
        return self.target.noise_std(z) / math.sqrt(self.num_releases)

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return their negative log-likelihood by the central limit: Gaussian, whatever the noise was."""
        mean = self.mean(x)
        own = torch.as_tensor(self.noise_std(mean), dtype=z.dtype, device=z.device)
        return gaussian_surprise(z, mean, (own.square() + effective_sigma(self) ** 2).sqrt())

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server."""
        return self.target.modules()

    def server(self, z: Tensor) -> Tensor:
        """Return logits."""
        return self.target.server(z)


@torch.no_grad()
def averaged(z: Tensor, target: Target) -> Tensor:
    """Return what independent releases ``(m, ...)`` of the same images come to, ``(...)``, float32.

    The expected release under which they are likeliest together, as the defense knows it (``Defense.joint``): the mean
    of Gaussian ones. If the defense hides features, a value z counts by how likely it is to show the feature, and not
    noise about 0: ``z ~ N(a, sigma^2)`` against ``N(0, sigma^2)``, a being the mean so far, for a few rounds.
    """
    z = z.float()
    if not getattr(target.defense, "masks", False):
        joint: Callable[[Tensor, float], Tensor] | None = getattr(target.defense, "joint", None)
        return z.mean(dim=0) if joint is None else joint(z, effective_sigma(target))
    mean, variance = z.mean(dim=0), effective_sigma(target) ** 2
    for _ in range(ROUNDS):
        shown = ((z * mean - mean.square() / 2) / variance).sigmoid()
        mean = (shown * z).sum(dim=0) / shown.sum(dim=0).clamp_min(1e-6)
    return mean
