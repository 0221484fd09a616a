"""The best linear attack: pixels regressed on features by least squares with a ridge, in closed form.

References:
    Hoerl, Kennard, Ridge regression: biased estimation for nonorthogonal problems, 1970.
"""

import functools
import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Point, Target
from attacks.counted import counted
from attacks.fitting import CHUNK, channel_statistics, guess_error, released, unit
from attacks.members import Members
from attacks.ranges import at_least
from attacks.reading import before_noise
from attacks.ridge import Dual, Map, Normal
from attacks.verdict import verdict

RIDGES = tuple(10.0**power for power in range(4, -9, -1))
"""Tried from the largest on, in units of the features' mean variance, until the validation error rises."""

MOST_FEATURES = 4096
"""Features of a release up to which their own equations are solved; beyond, those of releases (:class:`Dual`)."""


class Linear(Attack):
    """Predicts ``clip(mean(x) + (z - mean(z)) W)`` with ``W = (Z'Z + ridge I)^-1 Z'X``.

    Z and X are centred releases and pixels of the attacker's images. Every image is released ``draws`` times, so that W
    knows the noise as well as the images. The ridge is the one with the least error on attacker-validation. Of a linear
    client and Gaussian images no attack is better; elsewhere it is the floor of any decoder. Of a release with more
    than 4,096 features, the same system is solved by releases, at most 4,096 of them and 1 GiB: a curve that ends
    before ``draws`` says so.

    Args:
        draws: Releases of every image, >= 1; their number doubles from point to point of the curve.
    """

    reference = "Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems, 1970"
    threat = "The server, or who reads its traffic, may send images of their own through a client and see the releases."
    cost = "some releases of every image of the attacker's and a few solutions of one linear system: seconds"
    knowledge: ClassVar[Knowledge] = "queries"
    version = 3
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"draws": 2},
        "standard": {"draws": 8},
        "strong": {"draws": 32},
    }

    def __init__(self, draws: int) -> None:
        at_least("linear", 1, draws=draws)
        self.draws = draws
        self.weight: Map | None = None
        self.target: Target | None = None
        self.members: Members | None = None

    @torch.no_grad()
    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Add up products of releases and images; solve whenever their number has doubled, and after the last."""
        self.image_shape, self.target = target.image_shape, target
        z, z_val = released(target, aux), released(target, val)
        self.deviation = channel_statistics(z)[1].double()
        self.members = Members.of(target, z, lambda: released(target, aux))
        self.centre = (self._expected(z).double() / self.deviation).flatten(1).mean(0)
        self.mean = unit(aux.x).double().flatten(1).mean(0)
        normal: Normal | Dual = Dual(len(self.centre))
        if len(self.centre) <= MOST_FEATURES:
            normal = Normal.empty(len(self.centre), len(self.mean), z.device)
        seen, known = Images(aux.x[: len(val.x)], aux.y[: len(val.x)]), z[: len(val.x)]
        curve, shorter = list[Point](), dict[int, Tensor]()
        for draw in counted(range(1, self.draws + 1)):
            for x in aux.x.split(CHUNK):
                normal.add(self._read(target.release(unit(x))), unit(x).double().flatten(1) - self.mean)
            if draw & (draw - 1) == 0 or draw == self.draws or normal.full:
                self.weight, error = self._solved(normal, z_val, val)
                curve.append(Point(draw, float(self._errors(self.weight, known, seen).mean()), error))
                shorter[draw] = self._errors(self.weight, z_val, val)
            if normal.full:
                break
        assert self.weight is not None
        errors = {taken / draw: each for taken, each in shorter.items()}
        course = Course(assumes=True, errors=errors, seen=self._errors(self.weight, known, seen))
        return Fit(curve=tuple(curve), verdict=verdict(curve, guess_error(aux, val)), course=course)

    @torch.no_grad()
    def reconstruct(self, z: Tensor) -> Tensor:
        """Return the predictions, in chunks."""
        if self.weight is None:
            raise RuntimeError("linear: fit it before it reconstructs")
        return torch.cat([self._predicted(self.weight, chunk) for chunk in z.split(CHUNK)])

    def _solved(self, normal: Normal | Dual, z_val: Tensor, val: Images) -> tuple[Map, float]:
        """Return the map of the ridge with the least error on attacker-validation, and that error."""
        best, least = normal.solved(RIDGES[0]), math.inf
        for ridge in RIDGES:
            weight = normal.solved(ridge)
            error = float(self._errors(weight, z_val, val).mean())
            if error > least:
                break
            best, least = weight, error
        return best, least

    def _read(self, z: Tensor) -> Tensor:
        """Return centred features in units of their channel's deviation, ``(B, D)``, float64."""
        return (self._expected(z).double() / self.deviation).flatten(1) - self.centre

    def _expected(self, z: Tensor) -> Tensor:
        """Return releases before what the defense's law lets one take out of them, ``(B, C, H, W)``."""
        assert self.target is not None
        return before_noise(self.members(z) if self.members else z, self.target)

    def _predicted(self, weight: Map, z: Tensor) -> Tensor:
        x_hat = functools.reduce(torch.matmul, weight, self._read(z))
        return (x_hat + self.mean).clamp(0, 1).float().view(-1, *self.image_shape)

    def _errors(self, weight: Map, z: Tensor, images: Images) -> Tensor:
        """Return each image's mean squared error, ``(N,)``."""
        pairs = zip(z.split(CHUNK), images.x.split(CHUNK), strict=True)
        return torch.cat([(self._predicted(weight, part) - unit(x)).square().mean(dim=(1, 2, 3)) for part, x in pairs])
