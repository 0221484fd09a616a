"""Which of several known tensors of noise a release carries, as far as the release itself tells.

References:
    Fisher, The use of multiple measurements in taxonomic problems, 1936.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor

from attacks.base import Target
from attacks.likelihood import effective_sigma

MOST_FEATURES = 2048
"""Up to so many features their correlations count, beyond it their variances alone."""

LEAST_VARIANCE = 1e-6
"""Of a feature given its member, over the mean one."""


class Collection(NamedTuple):
    """Distributions of noise, one of which a release takes at random for all its features."""

    offsets: Tensor
    """Their means, ``(K, C, H, W)``, in units of the activation."""
    variances: Tensor
    """Their variances, ``(K, C, H, W)``, squares of such units."""


class Members:
    """Takes the mean of a release's member out of it: of all members' means, each by how likely it is.

    Activations are taken for Gaussian, with the covariance that two releases of the same images have in common; given
    the member a release then is Gaussian, with the noise of an average member.

    Args:
        collection: Of the defense.
        sigma: Standard deviation of the channel noise, >= 0.
        z: Releases of some images, ``(N, C, H, W)``.
        again: Other ones of the same images, of the same shape.
    """

    def __init__(self, collection: Collection, sigma: float, z: Tensor, again: Tensor) -> None:
        offsets = collection.offsets.flatten(1).double()
        own = collection.variances.flatten(1).double().mean(0) + sigma**2
        first, second = (each.flatten(1).double() for each in (z, again))
        mean = (first.mean(0) + second.mean(0)) / 2
        apart = offsets - offsets.mean(0)
        towards = _solved(first - mean, second - mean, own, apart)
        self._offsets, self._towards = offsets.to(z), towards.to(z)
        self._bias = (-(towards * (mean + apart / 2)).sum(1)).to(z)

    @classmethod
    def of(cls, target: Target, z: Tensor, again: Callable[[], Tensor]) -> Self | None:
        """Return it for a target whose defense has a ``collection``, else None; ``again`` releases once more."""
        asked: Callable[[], Collection | None] | None = getattr(target.defense, "collection", None)
        collection = None if asked is None else asked()
        if collection is None or len(collection.offsets) < 2:
            return None
        return cls(collection, effective_sigma(target), z, again())

    def probabilities(self, z: Tensor) -> Tensor:
        """Return how likely each member is for releases ``(B, C, H, W)``, ``(B, K)``."""
        return (z.flatten(1) @ self._towards.T + self._bias).softmax(dim=1)

    def __call__(self, z: Tensor) -> Tensor:
        """Return releases ``(B, C, H, W)`` less what is expected of their members."""
        return z - (self.probabilities(z) @ self._offsets).view_as(z)


def _solved(first: Tensor, second: Tensor, own: Tensor, offsets: Tensor) -> Tensor:
    """Return centred offsets ``(K, D)`` through the inverse covariance of a release given its member.

    Args:
        first: Centred releases, ``(N, D)``.
        second: Others of the same images: what both share is the activation.
        own: Variance of the noise of an average member and of the channel, ``(D,)``.
        offsets: ``(K, D)``.
    """
    if len(own) > MOST_FEATURES:
        total = (first * second).mean(0).clamp_min(0) + own
        return offsets / total.clamp_min(LEAST_VARIANCE * float(total.mean()))
    common = (first.T @ second + second.T @ first) / (2 * len(first))
    values, vectors = torch.linalg.eigh(common + own.diag())
    least = torch.maximum(own.min(), LEAST_VARIANCE * values.mean())
    through: Tensor = (offsets @ vectors / values.clamp_min(least)) @ vectors.T
    return through
