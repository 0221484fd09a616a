"""Features laid out by class, and a memory of the last features of every class."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Rows(NamedTuple):
    """Features in rows by class; K classes, n rows, D features."""

    points: Tensor
    """``(K, n, D)``; 0 where a row is free."""
    member: Tensor
    """1 where a row is taken and 0 where it is free, ``(K, n)``, float32."""


def by_class(values: Tensor, y: Tensor, num_classes: int) -> Rows:
    """Return values ``(B, D)`` with labels ``(B,)`` in as many rows as the largest class has."""
    rank, counts = ranks(y, num_classes)
    points = values.new_zeros(num_classes, int(counts.max()), values.shape[1])
    points[y, rank] = values
    return Rows(points, (torch.arange(points.shape[1], device=y.device) < counts[:, None]).to(values.dtype))


class Bank(nn.Module):
    """The last ``size`` features of every class, first in, first out."""

    points: Tensor
    """``(K, size, D)``."""
    seen: Tensor
    """Features of each class so far, ``(K,)``, int64."""

    def __init__(self, num_classes: int, size: int, features: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.zeros(num_classes, size, features))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.int64))

    def rows(self) -> Rows:
        """Return what the bank holds; the next batch overwrites it."""
        size = self.points.shape[1]
        member = torch.arange(size, device=self.seen.device) < self.seen[:, None]
        return Rows(self.points, member.to(self.points.dtype))

    def push(self, z: Tensor, y: Tensor) -> None:
        """Put a batch ``(B, D)`` with labels ``(B,)`` in the place of the oldest features."""
        size = self.points.shape[1]
        rank, counts = ranks(y, len(self.seen))
        row = (self.seen[y] + rank) % size
        last = rank >= counts[y] - size
        self.points[y[last], row[last]] = z.detach()[last]
        self.seen += counts

    def with_batch(self, z: Tensor, y: Tensor) -> Rows:
        """Return the bank and a batch ``(B, D)`` with labels ``(B,)`` beside it."""
        held, batch = self.rows(), by_class(z, y, len(self.seen))
        return Rows(torch.cat([held.points, batch.points], dim=1), torch.cat([held.member, batch.member], dim=1))


def ranks(y: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return each image's position among those of its class, ``(B,)``, and the classes' counts, ``(K,)``."""
    onehot = F.one_hot(y, num_classes)
    return onehot.cumsum(0).gather(1, y[:, None])[:, 0] - 1, onehot.sum(0)
