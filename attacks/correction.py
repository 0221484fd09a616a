"""How much of a reconstruction's error its own release still explains: what is best leaves nothing to correct.

The best reconstruction leaves an error that no function of the release predicts (the orthogonality principle). Here the
functions are linear and local: of each patch of an image, from the features around it and the reconstruction there.

References:
    Kay, Fundamentals of statistical signal processing: estimation theory, 1993, chapter 12.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGES = (10.0, 1.0, 0.1, 0.01, 1e-3)
"""Tried, in units of the predictors' mean variance times their number over that of the samples."""

BENDS = 96
"""Random directions of these predictors, cut off below their mean, that are predictors too: what bends shows, too."""

FOLDS = 4
"""Parts of the images: each is corrected by what the others teach."""

MOST = 64
"""Pixels along a side of a patch times three and more: beyond, only the features are looked at."""


@torch.no_grad()
def corrected(x_hat: Tensor, z: Tensor, x: Tensor) -> Tensor | None:
    """Return each image's mean squared error once its release has corrected it, ``(N,)``.

    The correction is ridge regression of the error on the release, and on the reconstruction, patch by patch, the same
    for all patches; learnt on other images than those that it is measured on, its ridge chosen on yet others.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)`` in [0, 1].
        z: The releases that they were made of, ``(N, C, H, W)``.
        x: The images, as ``x_hat``.

    Returns:
        None if there are fewer images than folds, or the activation's size does not divide the images'.
    """
    patch = _patch(x, z)
    if patch is None or len(x) < 2 * FOLDS:
        return None
    error, reads = F.pixel_unshuffle(x - x_hat, patch), _predictors(x_hat, z, patch)
    fold = torch.arange(len(x), device=x.device) % FOLDS
    folds = [_Sums.of(reads[fold == held], error[fold == held]) for held in range(FOLDS)]
    left = torch.empty(len(x), dtype=torch.float64)
    for held in range(FOLDS):
        tuned = folds[(held + 1) % FOLDS]
        fitted = [each for number, each in enumerate(folds) if number != held]
        others = _Sums.all([each for each in fitted if each is not tuned])
        ridge = min(RIDGES, key=lambda ridge: tuned.squares(others.solved(ridge)))
        weight, mine = _Sums.all(fitted).solved(ridge), fold == held
        left[mine.cpu()] = _left(reads[mine], error[mine], weight, x_hat[mine], patch).cpu()
    return left


class _Sums(NamedTuple):
    """All that least squares need of some patches."""

    gram: Tensor
    """Of the P predictors, ``(P, P)``."""
    cross: Tensor
    """Of predictors and the Q pixels of an error, ``(P, Q)``."""

    @classmethod
    def of(cls, reads: Tensor, error: Tensor) -> "_Sums":
        a, b = (maps.movedim(1, -1).flatten(0, -2).double() for maps in (reads, error))
        return cls(a.T @ a, a.T @ b)

    @classmethod
    def all(cls, some: Sequence["_Sums"]) -> "_Sums":
        return cls(torch.stack([each.gram for each in some]).sum(0), torch.stack([each.cross for each in some]).sum(0))

    def solved(self, ridge: float) -> Tensor:
        """Return the weights under a ridge, ``(P, Q)``."""
        eye = torch.eye(len(self.gram), dtype=self.gram.dtype, device=self.gram.device)
        weight: Tensor = torch.linalg.solve(self.gram + (ridge * len(self.gram) + 1e-6) * eye, self.cross)
        return weight

    def squares(self, weight: Tensor) -> float:
        """Return the sum of squares that weights leave, less that of the errors themselves."""
        return float((weight * (self.gram @ weight - 2 * self.cross)).sum())


def _patch(x: Tensor, z: Tensor) -> int | None:
    height, width = x.shape[2] // z.shape[2], x.shape[3] // z.shape[3]
    fits = height == width and height >= 1 and x.shape[2] == height * z.shape[2] and x.shape[3] == width * z.shape[3]
    return height if fits else None


def _predictors(x_hat: Tensor, z: Tensor, patch: int) -> Tensor:
    """Return what an error is predicted from, ``(N, P, H, W)`` float64: deviations from the mean over images."""
    own = F.pixel_unshuffle(x_hat, patch)
    around = F.unfold(z.float(), 3, padding=1).unflatten(2, z.shape[2:]) if z.shape[1] <= MOST else z.float()
    reads = torch.cat([around, own] if own.shape[1] <= MOST else [around], dim=1).double()
    reads = reads - reads.mean(dim=(0, 2, 3), keepdim=True)
    deviation = reads.square().mean(dim=(0, 2, 3), keepdim=True).sqrt()
    reads = reads / deviation.clamp_min(1e-3 * float(deviation.max()) + 1e-30)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(BENDS, reads.shape[1], generator=generator, dtype=torch.float64) / reads.shape[1] ** 0.5
    bends = torch.einsum("bp,nphw->nbhw", directions.to(reads.device), reads).relu()
    return torch.cat([reads, bends - bends.mean(dim=(0, 2, 3), keepdim=True), torch.ones_like(reads[:, :1])], dim=1)


def _left(reads: Tensor, error: Tensor, weight: Tensor, x_hat: Tensor, patch: int) -> Tensor:
    predicted = torch.einsum("nphw,pq->nqhw", reads, weight)
    x, better = x_hat + F.pixel_shuffle(error, patch), x_hat + F.pixel_shuffle(predicted, patch).to(x_hat.dtype)
    return (better.clamp(0, 1) - x).square().mean(dim=(1, 2, 3)).double()
