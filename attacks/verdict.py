"""How a job ends, by rules: what its curve, what less of its budget did, and a guess without z say about it.

References:
    Tramèr, Carlini, Brendel, Madry, On adaptive attacks to adversarial example defenses, 2020.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from attacks.base import Point, Verdict
from attacks.gains import Range

WORSE = 1.1
"""Validation error over that of the best guess without z, from which a fit counts as diverged."""

NO_BETTER = 0.98
"""The same ratio, from which a fit counts as no better than the guess."""

TIGHT = 0.05
"""Upper end of the remainder under which an attack counts as tight: a better one gains less than this."""

STILL_FALLING = 0.02
"""Relative fall of the validation error over the last fifth of a training, from which it was too short."""

DISAGREE = 0.1
"""Mean squared difference of the two best restarts over the error of the best guess, from which they disagree."""


def verdict(curve: Sequence[Point], guess: float, error: float | None = None) -> Verdict:
    """Return how a fit went by itself: ``diverged``, ``floor``, or ``open`` until its remainder is known.

    ``diverged`` if a number of the curve is not finite or the error exceeds ``WORSE`` times the guess's; ``floor`` if
    it is above ``NO_BETTER`` times the guess's.

    Args:
        curve: Points by ascending step, the last at the end of the budget; at least one.
        guess: Mean squared error of the best guess without z on the same validation images, > 0.
        error: Validation error of what the attack reconstructs with; None for the curve's last.
    """
    error = curve[-1].validation if error is None else error
    if not all(math.isfinite(value) for point in curve for value in (point.train, point.validation)):
        return "diverged"
    if not error <= WORSE * guess:
        return "diverged"
    return "floor" if error > NO_BETTER * guess else "open"


def still_falling(curve: Sequence[Point]) -> bool:
    """Return whether a training was too short by its curve alone, that of a prior say: it falls to the end, is not
    finite there, or has too few points to tell.

    Args:
        curve: Points by ascending step, the last at the end; at least one.
    """
    last = curve[-1]
    earlier = [point.validation for point in curve if point.step <= 0.8 * last.step]
    return not earlier or not last.validation >= (1 - STILL_FALLING) * earlier[-1]


def disagreement(best: Tensor, second: Tensor, guess: float) -> float:
    """Return how far an attack's two best restarts are apart, as a share of what is at stake, >= 0.

    Args:
        best: For each image the reconstruction of the restart with the least loss, ``(B, 3, height, width)``.
        second: The same of the second best.
        guess: Mean squared error of the best guess without z, > 0.
    """
    return float((best - second).square().mean()) / guess


def disagreeing(apart: float) -> tuple[str, ...]:
    """Return the flag of restarts that are ``apart`` (:func:`disagreement`), if they are."""
    return ("restarts disagree",) if apart > DISAGREE else ()


def beside_guess(own: Verdict, better: Range, remainder: Range | None) -> Verdict:
    """Return an attack's verdict once attacker-validation is reconstructed: beside the guess, and by its remainder.

    An attack that never asks the true client can only judge itself by one of its own; this is the true one.

    Args:
        own: The verdict by its own curve.
        better: By how much its error is less than that of the best guess without z, as a share of the guess's.
        remainder: What a better attack could take off its error; None where it is not known.
    """
    if own in ("diverged", "failed") or better.high < 1 - WORSE:
        return own if own == "failed" else "diverged"
    if better.low <= 0 or better.value < 1 - NO_BETTER:
        return "floor"
    return "tight" if remainder is not None and remainder.high < TIGHT else "open"
