"""How well one number tells two groups apart.

References:
    Hanley, McNeil, The meaning and use of the area under a receiver operating characteristic (ROC) curve, 1982.
    Carlini, Chien, Nasr, Song, Terzis, Tramèr, Membership inference attacks from first principles, 2022.
    Efron, Tibshirani, An introduction to the bootstrap, 1993.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

QUANTILE = 1.96
"""Standard errors to either side of a normal estimate that 95 in 100 intervals need."""

LEAST_FALSE = 10
"""Negatives that must lie beyond a threshold, at least: of fewer, its place is chance."""

RESAMPLED = 1000
"""Bootstrap samples."""

MOST_VALUES = 2**24
"""Numbers drawn at once."""


class Interval(NamedTuple):
    """Where a number lies, with 95 % confidence."""

    low: float
    high: float


def area(positive: Tensor, negative: Tensor) -> float:
    """Return the probability that a positive's score exceeds a negative's, ties counted half; in [0, 1], .5 is chance.

    Args:
        positive: Scores, ``(P,)``, P >= 1.
        negative: Scores, ``(N,)``, N >= 1.
    """
    ordered = negative.double().sort().values
    below = torch.searchsorted(ordered, positive.double(), right=False)
    not_above = torch.searchsorted(ordered, positive.double(), right=True)
    return float((below + not_above).double().mean()) / (2 * len(negative))


def area_error(area: float, num_positive: int, num_negative: int) -> float:
    """Return the standard error of an area over so many scores, >= 0 (Hanley and McNeil, equation 2)."""
    both_above = area / (2 - area) - area**2
    both_below = 2 * area**2 / (1 + area) - area**2
    variance = area * (1 - area) + (num_positive - 1) * both_above + (num_negative - 1) * both_below
    return math.sqrt(max(0.0, variance) / (num_positive * num_negative))


def area_interval(area: float, num_positive: int, num_negative: int) -> Interval:
    """Return where an area over so many scores lies, within [0, 1]."""
    reach = QUANTILE * area_error(area, num_positive, num_negative)
    return Interval(max(0.0, area - reach), min(1.0, area + reach))


def enough(num_negative: int, false_positive_rate: float) -> bool:
    """Return whether so many negatives say where a rate of false positives begins."""
    return false_positive_rate * num_negative >= LEAST_FALSE


def rate_interval(positive: Tensor, negative: Tensor, false_positive_rate: float) -> Interval:
    """Return where a true-positive rate lies, the threshold's own uncertainty included: a bootstrap over both groups.

    Args: as of :func:`true_positive_rate`. Draws from the global random state.
    """
    chunk = max(1, MOST_VALUES // (len(positive) + len(negative)))
    sizes = [min(chunk, RESAMPLED - start) for start in range(0, RESAMPLED, chunk)]
    rates = torch.cat([_resampled(positive, negative, false_positive_rate, size) for size in sizes])
    low, high = torch.quantile(rates, rates.new_tensor([0.025, 0.975])).tolist()
    return Interval(low, high)


def _resampled(positive: Tensor, negative: Tensor, false_positive_rate: float, count: int) -> Tensor:
    """Return the true-positive rates of so many bootstrap samples, ``(count,)``, float64."""
    above, below = (
        group[torch.randint(len(group), (count, len(group)), device=group.device)] for group in (positive, negative)
    )
    allowed = int(false_positive_rate * len(negative))
    threshold = below.topk(allowed + 1, dim=1).values[:, -1:]
    return (above > threshold).double().mean(1)


def true_positive_rate(positive: Tensor, negative: Tensor, false_positive_rate: float) -> float:
    """Return the share of positives above the least threshold that at most so many negatives exceed, in [0, 1].

    Args:
        positive: Scores, ``(P,)``.
        negative: Scores, ``(N,)``.
        false_positive_rate: Share of negatives that may be taken for positives, in [0, 1).
    """
    allowed = int(false_positive_rate * len(negative))
    threshold = negative.sort(descending=True).values[allowed]
    return float((positive > threshold).double().mean())
