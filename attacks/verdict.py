"""What a learning curve says about a fitted attack."""

import math
from collections.abc import Sequence

from attacks.base import Point, Verdict

WORSE = 1.1
"""Validation error over that of the best guess without z, from which a fit counts as diverged."""

NO_BETTER = 0.98
"""The same ratio, from which a fit counts as no better than the guess."""

STILL_FALLING = 0.02
"""Relative fall of the validation error over the last fifth of the budget, from which the budget was too small."""


def verdict(curve: Sequence[Point], guess: float) -> Verdict:
    """Return how a fit went.

    In this order: ``diverged`` if a number of the curve is not finite or the last validation error exceeds ``WORSE``
    times the guess's; ``limited`` if the validation error still fell by more than ``STILL_FALLING`` over the last fifth
    of the steps, or the curve has too few points to tell; ``floor`` if it ends above ``NO_BETTER`` times the guess's;
    ``converged`` otherwise.

    Args:
        curve: Points by ascending step, the last at the end of the budget; at least one.
        guess: Mean squared error of the best guess without z on the same validation images, > 0.
    """
    last = curve[-1]
    if not all(math.isfinite(value) for point in curve for value in (point.train, point.validation)):
        return "diverged"
    if last.validation > WORSE * guess:
        return "diverged"
    earlier = [point.validation for point in curve if point.step <= 0.8 * last.step]
    if not earlier or last.validation < (1 - STILL_FALLING) * earlier[-1]:
        return "limited"
    return "floor" if last.validation > NO_BETTER * guess else "converged"
