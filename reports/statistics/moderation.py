"""Spreads of few seeds, made steadier by what the other candidates' spreads are.

With two or three seeds a standard deviation is known within a factor of ten; that of all candidates together is known
well, and they are of one kind. Empirical Bayes weighs one against the other, as much as the data say they agree.

References:
    Smyth, Linear models and empirical Bayes methods for assessing differential expression, 2004, section 6.2.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from reports.dominance import Floats

MOST_FREEDOM = 1e6
"""Degrees of freedom that stand for infinitely many: all candidates share one spread."""


class Spreads(NamedTuple):
    """Standard deviations over seeds, with what they are worth."""

    deviations: Floats
    """``(m,)``."""
    freedom: Floats
    """Degrees of freedom, ``(m,)``."""


def moderated(variances: Floats, freedom: Floats) -> Spreads:
    """Return the standard deviations of candidates, each drawn towards those of all.

    Args:
        variances: Over the seeds, ``(m,)``; whatever it is where ``freedom`` is 0.
        freedom: Seeds less one, ``(m,)``; a candidate with one seed takes the others' spread.

    Raises:
        ValueError: no candidate has two seeds.
    """
    known = freedom > 0
    if not known.any():
        raise ValueError("no candidate has two seeds: nothing is known of the spread over seeds")
    floor = 1e-12 * max(float(variances[known].max()), 1e-300)
    own, degrees = np.maximum(variances[known], floor), freedom[known]
    prior, prior_freedom = _prior(own, degrees)
    whole = np.where(known, freedom, 0.0)
    sums = prior_freedom * prior + np.where(known, whole * variances, 0.0)
    return Spreads(np.sqrt(sums / (prior_freedom + whole)), prior_freedom + whole)


def _prior(variances: Floats, freedom: Floats) -> tuple[float, float]:
    """Return the variance that candidates have in common, and its degrees of freedom."""
    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    if len(variances) == 1:
        return float(variances[0]), 1.0
    surplus = float(np.var(logs, ddof=1) - np.mean(polygamma(1, freedom / 2)))
    if surplus <= 0:
        return float(np.average(variances, weights=freedom)), MOST_FREEDOM
    prior_freedom = min(2 * _trigamma_inverse(surplus), MOST_FREEDOM)
    shift = digamma(prior_freedom / 2) - np.log(prior_freedom / 2)
    return float(np.exp(np.mean(logs) + shift)), prior_freedom


def _trigamma_inverse(value: float) -> float:
    """Return x with trigamma(x) = value > 0, by Newton's method on 1 / trigamma, which is nearly linear."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
