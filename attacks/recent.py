"""What was made of releases lately: an attack that is asked for mse and then for ssim inverts them once."""

from typing import Generic, TypeVar

import torch
from torch import Tensor

MOST = 8
"""Batches remembered at once."""

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers what was made of the last few batches of releases."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Tensor, T]] = []

    def get(self, z: Tensor) -> T | None:
        """Return what was made of these very releases; None if they were not seen lately."""
        return next((made for known, made in self._pairs if known.shape == z.shape and torch.equal(known, z)), None)

    def put(self, z: Tensor, made: T) -> T:
        """Remember what was made of releases, and return it."""
        self._pairs = [*self._pairs, (z.clone(), made)][-MOST:]
        return made

    def clear(self) -> None:
        """Forget everything."""
        self._pairs = []
