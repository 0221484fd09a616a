"""How many more seeds it takes to decide whether two candidates differ or are as good as equal.

References:
    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2 (power of a t-test).
    Schuirmann, 1987 (two one-sided tests).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct
from scipy.stats import t as student

from reports.dominance import Floats

POWER = 0.8
"""Chance of a decision after so many seeds, if the difference and its spread are what they seem now."""

MOST = 1000
"""Seeds beyond which nothing is promised."""

ALPHA = 0.05


def seeds_needed(difference: float, deviation: float, rope: float, seeds: int) -> int | None:
    """Return how many more seeds decide with a chance of ``POWER``; null if ``MOST`` do not, or nothing is known.

    Args:
        difference: Mean difference at equal seeds.
        deviation: Standard deviation of the differences over seeds; NaN if it is not known.
        rope: Half-width of the region of practical equivalence, >= 0.
        seeds: How many there are.
    """
    if not np.isfinite(deviation):
        return None
    counts = np.arange(max(seeds + 1, 2), MOST + 1)
    enough = np.flatnonzero(power(difference, deviation, rope, counts) >= POWER)
    return int(counts[enough[0]]) - seeds if len(enough) else None


def power(difference: float, deviation: float, rope: float, counts: NDArray[np.int64]) -> Floats:
    """Return the chance of a decision with so many seeds: that zero is excluded, or that the region holds all.

    Args:
        difference: True mean difference.
        deviation: Standard deviation of the differences over seeds, >= 0.
        rope: Half-width of the region of practical equivalence, >= 0.
        counts: Numbers of seeds, >= 2, ``(n,)``.
    """
    error = np.maximum(deviation, 1e-300) / np.sqrt(counts)
    freedom = counts - 1
    beyond = student.ppf(1 - ALPHA / 2, freedom)
    shift = np.minimum(abs(difference) / error, 1e3)
    apart = np.where(shift >= 37, 1.0, nct.sf(beyond, freedom, np.minimum(shift, 37)))
    room = (rope - abs(difference)) / error - student.ppf(1 - ALPHA, freedom)
    inside = np.where(rope > abs(difference), student.cdf(room, freedom), 0.0)
    return np.asarray(np.maximum(np.nan_to_num(apart), inside))
