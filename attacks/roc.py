"""How well one number tells two groups apart.

References:
    Hanley, McNeil, The meaning and use of the area under a receiver operating characteristic (ROC) curve, 1982.
    Carlini, Chien, Nasr, Song, Terzis, Tramèr, Membership inference attacks from first principles, 2022.
"""

import math

import torch
from torch import Tensor


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
