"""Least squares with a ridge, in closed form: by features or, where there are more of these, by releases.

References:
    Saunders, Gammerman, Vovk, Ridge regression learning algorithm in dual variables, 1998.
"""

import functools

import torch
from torch import Tensor

MOST_RELEASES = 4096
"""Releases whose equations are solved, at most."""

MOST_VALUES = 2**27
"""Numbers of releases that are held at once: 1 GiB."""

Map = tuple[Tensor, ...]
"""Matrices that lead from centred features to pixels, multiplied one after the other."""


class Normal:
    """The normal equations of a regression by its features, summed up batch by batch in float64."""

    full = False

    def __init__(self, gram: Tensor, cross: Tensor) -> None:
        self.gram, self.cross = gram, cross

    @classmethod
    def empty(cls, features: int, pixels: int, device: torch.device) -> "Normal":
        """Return equations of D features and P pixels, of no image yet."""
        zeros = functools.partial(torch.zeros, dtype=torch.float64, device=device)
        return cls(zeros(features, features), zeros(features, pixels))

    def add(self, z: Tensor, x: Tensor) -> None:
        """Take in centred features ``(B, D)`` and pixels ``(B, P)``."""
        self.gram.addmm_(z.T, z)
        self.cross.addmm_(z.T, x)

    def solved(self, ridge: float) -> Map:
        """Return the weights ``(D, P)`` under a ridge, in units of the features' mean variance; zeros of features
        that never vary.
        """
        return (_solved(self.gram, self.cross, ridge * float(self.gram.diagonal().mean())),)


class Dual:
    """The same regression by its releases, for more features than there are releases: ``W = Z' (Z Z' + ridge I)^-1 X``.

    Args:
        features: D, of a release.
    """

    def __init__(self, features: int) -> None:
        self.features = features
        self.room = max(1, min(MOST_RELEASES, MOST_VALUES // features))
        self._z: list[Tensor] = []
        self._x: list[Tensor] = []
        self._gram: Tensor | None = None

    @property
    def full(self) -> bool:
        """Whether it takes in no more."""
        return self.room == 0

    def add(self, z: Tensor, x: Tensor) -> None:
        """Take in centred features ``(B, D)`` and pixels ``(B, P)``, as many as there is room for."""
        self._z.append(z[: self.room])
        self._x.append(x[: self.room])
        self.room -= len(self._z[-1])
        self._gram = None

    def solved(self, ridge: float) -> Map:
        """Return the releases ``(D, n)`` and their weights ``(n, P)`` under a ridge, in the unit of :class:`Normal`."""
        if self._gram is None:
            self._z, self._x = [torch.cat(self._z)], [torch.cat(self._x)]
            self._gram = self._z[0] @ self._z[0].T
        return self._z[0].T, _solved(self._gram, self._x[0], ridge * float(self._gram.trace()) / self.features)


def _solved(gram: Tensor, cross: Tensor, ridge: float) -> Tensor:
    """Return ``(gram + ridge I)^-1 cross``; zeros for a ridge of 0, which features that never vary have."""
    if ridge == 0:
        return torch.zeros_like(cross)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(gram + ridge * eye)
    weight: Tensor = torch.cholesky_solve(cross, factor)
    return weight
