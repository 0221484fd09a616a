"""How a job ends, by rules: what its curve, its restarts, and attacks that know less say about it.

References:
    Tramèr, Carlini, Brendel, Madry, On adaptive attacks to adversarial example defenses, 2020.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from attacks.base import Point, Verdict

WORSE = 1.1
"""Validation error over that of the best guess without z, from which a fit counts as diverged."""

NO_BETTER = 0.98
"""The same ratio, from which a fit counts as no better than the guess."""

STILL_FALLING = 0.02
"""Relative fall of the validation error over the last fifth of the budget, from which the budget was too small."""


DISAGREE = 0.1
"""Mean squared difference of the two best restarts over the error of the best guess, from which they disagree."""


def verdict(curve: Sequence[Point], guess: float, disagreement: float = 0.0, of_half: float | None = None) -> Verdict:
    """Return how a fit went.

    In this order: ``diverged`` if a number of the curve is not finite or the last validation error exceeds ``WORSE``
    times the guess's; ``limited`` if the validation error still fell by more than ``STILL_FALLING`` over the last fifth
    of the steps or from half the budget to all of it, the curve has too few points to tell, or restarts disagree by
    more than ``DISAGREE``; ``floor`` if it ends above ``NO_BETTER`` times the guess's; ``converged`` otherwise.

    A learning rate that falls to nought flattens any curve at its end: an attack that can afford it runs once more with
    half as many steps and a schedule of their own.

    Args:
        curve: Points by ascending step, the last at the end of the budget; at least one.
        guess: Mean squared error of the best guess without z on the same validation images, > 0.
        disagreement: Of restarts (:func:`disagreement`), >= 0; 0 for an attack that starts once.
        of_half: Validation error of a run of half the budget, with a schedule of its own; None without one.
    """
    last = curve[-1]
    if not all(math.isfinite(value) for point in curve for value in (point.train, point.validation)):
        return "diverged"
    if last.validation > WORSE * guess:
        return "diverged"
    earlier = [point.validation for point in curve if point.step <= 0.8 * last.step]
    before = [error for error in (*earlier[-1:], of_half) if error is not None]
    if not earlier or disagreement > DISAGREE or last.validation < (1 - STILL_FALLING) * max(before):
        return "limited"
    return "floor" if last.validation > NO_BETTER * guess else "converged"


def disagreement(best: Tensor, second: Tensor, guess: float) -> float:
    """Return how far an attack's two best restarts are apart, as a share of what is at stake, >= 0.

    Args:
        best: For each image the reconstruction of the restart with the least loss, ``(B, 3, height, width)``.
        second: The same of the second best.
        guess: Mean squared error of the best guess without z, > 0.
    """
    return float((best - second).square().mean()) / guess


def beside_guess(own: Verdict, error: float, guess: float) -> Verdict:
    """Return an attack's verdict once all of attacker-validation is reconstructed, beside the best guess without z.

    An attack that never asks the true client can only judge itself by one of its own; this is the true one.

    Args:
        own: The verdict by its own curve.
        error: Mean squared error on attacker-validation, >= 0.
        guess: That of the best guess without z on the same images, > 0.
    """
    if error > WORSE * guess:
        return "diverged"
    return "floor" if own == "converged" and error > NO_BETTER * guess else own
