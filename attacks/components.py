"""A Gaussian of images: the principal components of some, as many as others confirm, and white noise beside them.

References:
    Tipping, Bishop, Probabilistic principal component analysis, 1999.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Components(NamedTuple):
    """The covariance of centred images of D values: ``basis' diag(variances - remainder) basis + remainder I``."""

    basis: Tensor
    """Orthonormal, ``(K, D)``."""
    variances: Tensor
    """Along them, ``(K,)``, > 0."""
    remainder: Tensor
    """Variance in every other direction, a scalar, > 0."""

    def through(self, v: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
        """Return vectors ``(B, D)``, along each direction of the covariance times a gain of its variance there."""
        rest = gain(self.remainder)
        return rest * v + ((gain(self.variances) - rest) * (v @ self.basis.T)) @ self.basis

    def coordinates(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors ``(B, D)`` along the components, ``(B, K)``, and beside them, ``(B, D)``, in deviations."""
        along = v @ self.basis.T
        return along / self.variances.sqrt(), (v - along @ self.basis) / self.remainder.sqrt()

    def vectors(self, along: Tensor, beside: Tensor) -> Tensor:
        """Return the vectors ``(B, D)`` of such coordinates; of ``beside``, only what lies beside the components."""
        beside = beside - (beside @ self.basis.T) @ self.basis
        return (along * self.variances.sqrt()) @ self.basis + beside * self.remainder.sqrt()


def components(u: Tensor, held: Tensor, most: int, least: float) -> Components:
    """Return the Gaussian of centred images whose number of components makes others the likeliest.

    Args:
        u: Centred images ``(N, D)``.
        held: Others, centred alike, ``(M, D)``.
        most: Components, >= 0; without any, all is white noise as strong as the others deviate.
        least: Variance of a direction, at least, > 0.
    """
    rank = min(most, len(u) - 1, u.shape[1])
    if rank < 1:
        return Components(u.new_zeros(0, u.shape[1]), u.new_zeros(0), held.square().mean().clamp_min(least))
    _, values, vectors = torch.svd_lowrank(u, q=rank, niter=2)
    variances = (values.square() / len(u)).clamp_min(least)
    squares = (held @ vectors).square().mean(dim=0)
    total = held.square().sum(dim=1).mean()
    counts = torch.arange(1, rank + 1, device=u.device)
    left = u.shape[1] - counts
    remainder = ((total - squares.cumsum(0)) / left.clamp_min(1)).clamp_min(least)
    surprise = (variances.log() + squares / variances).cumsum(0) + left * (remainder.log() + 1)
    best = int(surprise.argmin()) + 1
    return Components(vectors.T[:best], variances[:best], remainder[best - 1])
