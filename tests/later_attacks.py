"""Attacks for finished trials: one that wins, one that does not end, one that finds the disk full. Plug-ins."""

import errno
import os
import time
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Fit, Images, Knowledge, Point, Target
from attacks.counted import counted

STALL = "INVFRONT_TEST_STALL"
"""Environment variable under which ``Stalling`` does not come to an end."""


class Ridge(Attack):
    """The best linear map from release to image, in closed form: far better than any guess, or a small decoder."""

    reference: ClassVar[str] = "none"
    threat: ClassVar[str] = "Whoever sees z and holds images."
    cost: ClassVar[str] = "one linear system"
    knowledge: ClassVar[Knowledge] = "queries"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {"penalty": 10.0}}

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        x = aux.x.float() / 255
        z = target.release(x).flatten(1)
        self._shape, self._x, self._z = target.image_shape, x.mean(0), z.mean(0)
        centred = (z - self._z).double()
        system = centred @ centred.T + self.penalty * torch.eye(len(z), dtype=torch.float64)
        self._map = (centred.T @ torch.linalg.solve(system, (x - self._x).flatten(1).double())).float()
        truth = val.x.float() / 255
        error = float((self.reconstruct(target.release(truth)) - truth).square().mean())
        return Fit(curve=(Point(1, error, error),), verdict="converged")

    def reconstruct(self, z: Tensor) -> Tensor:
        x_hat = (z.flatten(1) - self._z) @ self._map
        return (x_hat.view(-1, *self._shape) + self._x).clamp(0, 1)


class Labelled(Ridge):
    """Asks for the predicted class of every release, as one that a label conditions."""

    needs_server: ClassVar[bool] = True
    labels_alone: ClassVar[bool] = True

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        self._target = target
        return super().fit(target, aux, val)

    def reconstruct(self, z: Tensor) -> Tensor:
        if self._target.server(z).shape != (len(z), self._target.num_classes):
            raise ValueError("the answer is no logits")
        return super().reconstruct(z)


class Stalling(Ridge):
    """Does not come to an end while ``STALL`` is set."""

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        while os.environ.get(STALL):
            time.sleep(0.1)
        return super().fit(target, aux, val)


class Endless(Ridge):
    """Takes two steps of a hundred, and does not come to the end of the third."""

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        for step in counted(range(100)):
            while step > 1:
                time.sleep(0.01)
        return super().fit(target, aux, val)


class Full(Ridge):
    """Finds the disk full."""

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
