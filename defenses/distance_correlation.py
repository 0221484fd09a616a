"""Distance correlation: how far the distances between images are repeated by the distances between their releases.

References:
    Székely, Rizzo, Bakirov, Measuring and testing dependence by correlation of distances, 2007.
    Székely and Rizzo, Partial distance correlation with methods for dissimilarities, 2014.
"""

import math

import torch
from torch import Tensor

LEAST_SQUARE = 1e-6
"""Least squared distance, which keeps the root's gradient finite."""
LEAST_VARIANCE = 1e-12
"""Least product of two distance variances; below it there is nothing to correlate."""
FEWEST = 4
"""Images that the unbiased estimate takes."""
LEAST_RATIO = 1e-6
"""Least squared correlation, which keeps the root's gradient finite."""


def distance_correlation(x: Tensor, z: Tensor) -> Tensor:
    """Return the distance correlation of a batch, ``()``, in [.001, 1]: differentiable, too high in small batches.

    ``(mean(A B) / sqrt(mean(A A) mean(B B))) ** (1/2)``, A and B the double-centred matrices of distances.

    Args:
        x: ``(B, ...)``, float32.
        z: ``(B, ...)``, float32.
    """
    a, b = (_centred(_distances(v)) for v in (x, z))
    scale = ((a * a).mean() * (b * b).mean()).clamp(min=LEAST_VARIANCE).sqrt()
    return ((a * b).mean() / scale).clamp(min=LEAST_RATIO).sqrt()


def unbiased_distance_correlation(x: Tensor, z: Tensor) -> Tensor:
    """Return the bias-corrected *squared* distance correlation, ``()``, in [-1, 1], differentiable.

    The distances are U-centred, so that the distance covariance it is made of is unbiased and independent variables
    come out around 0, below it as often as not.

    Args:
        x: ``(B, ...)``, float32, B >= 4.
        z: ``(B, ...)``, float32.
    """
    if len(x) < FEWEST:
        raise ValueError(f"the unbiased distance correlation takes a batch of at least {FEWEST}, not {len(x)}")
    a, b = (_u_centred(_distances(v)) for v in (x, z))
    scale = ((a * a).mean() * (b * b).mean()).clamp(min=LEAST_VARIANCE).sqrt()
    return (a * b).mean() / scale


def _distances(v: Tensor) -> Tensor:
    """Return Euclidean distances between the rows, ``(B, B)``: 0 between equal rows."""
    v = v.float().flatten(1)
    v = v - v.mean(0)  # inner products lose their digits to a common offset
    norms = v.square().sum(1)
    squares = norms[:, None] + norms - 2 * v @ v.T
    return squares.clamp(min=LEAST_SQUARE).sqrt() - math.sqrt(LEAST_SQUARE)


def _centred(d: Tensor) -> Tensor:
    return d - d.mean(0) - d.mean(1, keepdim=True) + d.mean()


def _u_centred(d: Tensor) -> Tensor:
    size = len(d)
    rows = d.sum(1) / (size - 2)
    centred = d - rows - rows[:, None] + d.sum() / ((size - 1) * (size - 2))
    return centred * (1 - torch.eye(size, device=d.device, dtype=d.dtype))
