"""k-means within every class at once, and the moments of the clusters.

References:
    Lloyd, Least Squares Quantization in PCM, 1982.
    Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Clusters(NamedTuple):
    """k clusters of every class; K classes, features of D dimensions."""

    centroids: Tensor
    """Means of the members, ``(K, k, D)``; an empty cluster keeps the centroid it had."""
    variances: Tensor
    """Per dimension, mean squared distance of the members to the centroid, ``(K, k, D)``, >= 0; 0 if empty."""
    counts: Tensor
    """Members, ``(K, k)``, float32, >= 0."""


def fit(
    features: Tensor,
    y: Tensor,
    num_classes: int,
    num_clusters: int,
    *,
    start: Tensor | None = None,
    power: float = 2.0,
    max_steps: int = 50,
) -> Clusters:
    """Cluster the features of every class by k-means; draws from the global RNG where no start is given.

    Args:
        features: ``(N, D)``, float32.
        y: Labels, ``(N,)``, int64.
        num_classes: K; classes without features get empty clusters.
        num_clusters: k, of each class, >= 1.
        start: Centroids to start from, ``(K, k, D)``; by default k-means++ chooses them.
        power: k-means++ draws a feature with probability proportional to this power of its distance to the nearest
            centroid chosen before.
        max_steps: Steps of Lloyd's algorithm, which ends sooner when no feature changes its cluster.
    """
    points, member = _by_class(features, y, num_classes)
    # distances are computed from inner products, which lose their digits to a common offset
    offset = points.sum(1, keepdim=True) / member.sum(1)[:, None, None].clamp(min=1)
    points.sub_(offset).mul_(member[..., None])
    centroids = _seeds(points, member, num_clusters, power) if start is None else start - offset
    assigned = nearest(points, centroids)
    for _ in range(max_steps):
        centroids, counts, onehot = _centred(points, member, assigned, centroids)
        moved = nearest(points, centroids)
        if torch.equal(moved, assigned):
            break
        assigned = moved
    centroids, counts, onehot = _centred(points, member, assigned, centroids)
    distance = torch.take_along_dim(centroids, assigned[..., None], dim=1).sub_(points).square_()
    variances = onehot.mT @ distance / counts[..., None].clamp(min=1)
    return Clusters(centroids + offset, variances, counts)


def nearest(points: Tensor, centroids: Tensor) -> Tensor:
    """Return the index of each point's nearest centroid of its class, ``(K, M)``.

    Args:
        points: ``(K, M, D)``.
        centroids: ``(K, k, D)``.
    """
    # |p - c|^2 is least where p.c - |c|^2 / 2 is largest
    half = centroids.square().sum(-1)[:, None, :]
    return torch.baddbmm(half, points, centroids.mT, beta=-0.5).argmax(-1)


def nearest_own(z: Tensor, y: Tensor, centroids: Tensor) -> Tensor:
    """Return the index of each feature's nearest centroid among those of its own class, ``(B,)``.

    Args:
        z: ``(B, D)``, a batch: all its differences to k centroids are held at once.
        y: Labels, ``(B,)``.
        centroids: ``(K, k, D)``.
    """
    return (z[:, None] - centroids[y]).square().sum(-1).argmin(1)


def totals(values: Tensor, y: Tensor, assigned: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Return the members of each cluster, ``(K, k)``, and the sums of their values, ``(K, k, D)``.

    By a product of matrices, whose sums on CUDA come out the same every time, unlike those of ``index_add``.

    Args:
        values: ``(B, D)``, a batch.
        y: Labels, ``(B,)``.
        assigned: Index of the cluster in its class, ``(B,)``.
        size: ``(K, k)``.
    """
    classes, per_class = size
    onehot = F.one_hot(y * per_class + assigned, classes * per_class).to(values.dtype)
    return onehot.sum(0).view(size), (onehot.mT @ values).view(classes, per_class, -1)


def _by_class(features: Tensor, y: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return the features in rows by class, ``(K, M, D)``, and 1 where a row has one and 0 where not, ``(K, M)``."""
    order = y.argsort(stable=True)
    y = y[order]
    counts = y.bincount(minlength=num_classes)
    position = torch.arange(len(y), device=y.device) - (counts.cumsum(0) - counts)[y]
    points = features.new_zeros(num_classes, int(counts.max()), features.shape[1])
    points[y, position] = features[order]
    member = features.new_zeros(points.shape[:2])
    member[y, position] = 1
    return points, member


def _centred(points: Tensor, member: Tensor, assigned: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the clusters' means ``(K, k, D)``, counts ``(K, k)`` and memberships ``(K, M, k)``."""
    onehot = F.one_hot(assigned, before.shape[1]).to(points.dtype) * member[..., None]
    counts = onehot.sum(1)
    means = onehot.mT @ points / counts[..., None].clamp(min=1)
    return torch.where(counts[..., None] > 0, means, before), counts, onehot


def _seeds(points: Tensor, member: Tensor, num_clusters: int, power: float) -> Tensor:
    """Return k-means++ seeds, ``(K, k, D)``."""
    seeds = points.new_zeros(points.shape[0], num_clusters, points.shape[2])
    weight = member
    distance = torch.full_like(member, torch.inf)
    for j in range(num_clusters):
        # a class whose features all coincide, or that has none, draws from all its rows
        weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, member + 1e-30)
        chosen = torch.multinomial(weight, 1)
        seeds[:, j] = torch.take_along_dim(points, chosen[..., None], dim=1)[:, 0]
        distance = torch.minimum(distance, (points - seeds[:, j, None]).square().sum(-1))
        weight = distance.pow(power / 2) * member
    return seeds
