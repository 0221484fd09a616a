"""How hard the contract looks at a bound, and what its laws about bounds share."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn

from defenses.base import Defense, Epoch
from defenses.contract.bench import Case, HasEstimate, require
from defenses.contract.features import PROBLEMS, SHAPES, Interval


class Level(NamedTuple):
    """How hard the laws look."""

    sigmas: tuple[float, ...]
    """Standard deviations of the channel noise; empty for the case's own."""
    problems: tuple[str, ...]
    features: int
    steps: int
    """Steps in which a defense's own parameters are trained on frozen features, where a bound keeps its side."""
    few: int
    """The same where two estimates are compared."""
    tolerance: float
    """Share of the truth by which a bound may miss its side: the sampling error of the features."""
    batches: int
    """Training batches over which a penalty is averaged."""


TIGHT = "gaussian"
"""The problem on which an upper bound keeps its ``tightness``."""
SMALL = Level((), (TIGHT, "mixture", "saturated"), 2000, 25, 10, 0.03, 12)
WHOLE = Level((0.025, 0.1, 0.25), tuple(PROBLEMS), 8000, 200, 100, 0.01, 60)
BATCH_SIZE = 64
"""Of a batch that a penalty is taken on: 16 images of a class, beside what a bank holds of it."""


def level_of(case: Case) -> Level:
    """Return how hard the laws look at a case."""
    return WHOLE if case.thorough else SMALL


def sigmas_of(case: Case) -> Iterator[float]:
    """Yield the standard deviations of the channel noise that a case is held at."""
    yield from level_of(case).sigmas or (case.sigma,)


def keeps_its_side(case: Case, measured: float, truth: Interval, where: str, tight: bool = True) -> None:
    """Require that a bound is on its side of the truth, and one that is to be tight within its ``tightness``."""
    tolerance, kind = level_of(case).tolerance, case.create.bound
    if kind == "upper":
        require(
            measured >= (1 - tolerance) * truth.least,
            f"{where}: the upper bound is {measured:.4f}, the truth {truth.least:.4f}",
        )
        require(
            not tight or measured <= case.create.tightness * truth.most,
            f"{where}: the bound is {measured:.4f}, over {case.create.tightness:g} times the truth {truth.most:.4f}",
        )
    if kind == "lower":
        require(
            measured <= (1 + tolerance) * truth.most,
            f"{where}: the lower bound is {measured:.4f}, the truth {truth.most:.4f}",
        )


def attached(case: Case) -> Defense:
    """Return the case's defense, attached to no client in particular."""
    defense = case.create(**case.settings)
    defense.attach(nn.Identity(), SHAPES)
    return defense


def end_epoch(defense: Defense, z: Tensor, y: Tensor, epoch: int) -> None:
    """End an epoch, counted from 0, on features ``(N, C, H, W)`` and labels ``(N,)``."""
    defense.end_epoch(
        Epoch(
            features=functools.partial(_given, z), y=y, model=nn.Identity(), batch_size=BATCH_SIZE,
            progress=0.1 * (epoch + 1), lr=0.05, epoch=epoch,
        )
    )  # fmt: skip


def estimate(defense: Defense, z: Tensor, y: Tensor, sigma: float) -> Tensor:
    """Return a defense's own measure of the information in features, nats of I(x; z | y) each, ``()``."""
    if not isinstance(defense, HasEstimate):
        raise AssertionError(f"it declares a bound ({defense.bound}) but has no method `estimate`")
    return defense.estimate(z, y, sigma)


def _given(z: Tensor, augment: bool = False) -> Tensor:
    return z
