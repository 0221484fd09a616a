"""Two attacks on the same images: how much less the one's error is, and how sure that is.

References:
    Efron, Tibshirani, An introduction to the bootstrap, 1993.
"""

import math
import statistics
from collections.abc import Sequence

from harness.records import Range

RESAMPLES = 300
"""Of the images, as in `attacks.gains`."""

LEVEL = 0.9

DEVIATIONS = 1.645
"""Standard deviations from a normal mean to either end of its interval at ``LEVEL``."""


def gain(worse: Sequence[float], better: Sequence[float]) -> Range:
    """Return ``mean(worse) / mean(better) - 1`` of errors of the same first images, with its interval at ``LEVEL``."""
    import numpy  # here alone, so that `status` answers without it

    count = min(len(worse), len(better))
    both = numpy.array([worse[:count], better[:count]])
    chosen = numpy.random.default_rng(count).integers(count, size=(RESAMPLES, count))
    means = both[:, chosen].mean(axis=2)
    low, high = numpy.quantile(means[0] / means[1] - 1, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = both[0].mean() / both[1].mean() - 1
    return Range(value=float(value), low=float(low), high=float(high))


def over_seeds(own: Range, others: Sequence[Range]) -> Range:
    """Return a share of one run with an interval over images and seeds.

    The variance that other seeds show is added to that over images; without others, the interval is over images alone.

    Args:
        own: The share of this run's seed, its interval over images.
        others: The same of other seeds.
    """
    if not others:
        return own
    spread = DEVIATIONS * statistics.stdev([own.value, *(other.value for other in others)])
    low, high = math.hypot(own.value - own.low, spread), math.hypot(own.high - own.value, spread)
    return Range(value=own.value, low=own.value - low, high=own.value + high)


def raised(remainder: Range | None, cost: Range, times: float) -> Range:
    """Return a remainder once it is known that an error could fall by some ``cost``, over what it then is.

    Evidence only ever raises it, each end by itself.

    Args:
        remainder: So far; null if nothing is known.
        cost: The excess over the better error, as :func:`gain` has it.
        times: What more may follow at most, over the cost itself, >= 1.
    """
    ends = (cost.low, cost.value, cost.high * times)
    low, value, high = (max(0.0, excess) / (1 + max(0.0, excess)) for excess in ends)
    if remainder is None:
        return Range(value=value, low=low, high=high)
    return Range(value=max(remainder.value, value), low=max(remainder.low, low), high=max(remainder.high, high))
