"""Whether one number of a trial predicts another: do measures of information say how well an image is inverted?

References:
    Spearman, The proof and measurement of association between two things, 1904.
    Kendall, A new measure of rank correlation, 1938 (tau-b of ties).
    Bonett, Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations, 2000 (the
    standard errors of their Fisher transforms).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, norm, rankdata, t

from reports.statistics.intervals import LEVEL

FEWEST = 4
"""Trials below which there is no interval, and no p."""


EXACT = 1e-12
"""What rounding leaves of a rho of 1: under 18,000 trials the next one is further off."""


class RankCorrelation(NamedTuple):
    """How the order of trials by a measure agrees with their order by a score."""

    measure: str
    rho: float
    """Spearman's, in [-1, 1], ties at their mean ranks; NaN where either is the same for all, or there are under two
    trials."""
    low: float
    """Lower end of the interval; NaN with fewer than ``FEWEST`` trials, as are ``high`` and ``p``."""
    high: float
    p: float
    """Of no association, by Student's t; two-sided."""
    trials: int
    """Those that have both numbers."""
    tau: float = float("nan")
    """Kendall's tau-b, in [-1, 1]: the share of pairs in the same order less that in the other; NaN where rho is."""
    tau_low: float = float("nan")
    """Lower end of its interval; NaN with ``FEWEST`` trials or fewer, as is ``tau_high``."""
    tau_high: float = float("nan")


def rank_correlations(
    trials: pd.DataFrame, measures: Sequence[str], score: str = "mse", level: float = LEVEL
) -> list[RankCorrelation]:
    """Return the rank correlation of each measure with a score, over the trials that have both.

    Trials of all defenses of a study are pooled; they are no random sample of defenses, and so an interval tells what
    chance there is in so many trials, and no more.

    Args:
        trials: A row per trial, with columns ``measures`` and ``score``; what is not finite is missing.
        measures: Columns, such as ``mixture_nats`` or ``robust_accuracy``.
        score: A column: ``mse``, that of the worst attack, unless told otherwise.
        level: Of the interval, in (0, 1).

    Raises:
        ValueError: a column is not there.
    """
    if lacking := [name for name in (*measures, score) if name not in trials.columns]:
        raise ValueError(f"trials: has no column {lacking[0]!r}; it has {sorted(map(str, trials.columns))}")
    return [_correlated(trials, measure, score, level) for measure in measures]


def _correlated(trials: pd.DataFrame, measure: str, score: str, level: float) -> RankCorrelation:
    both = trials[[measure, score]].to_numpy(dtype=float, na_value=np.nan)
    both = both[np.isfinite(both).all(axis=1)]
    rho, count = _rho(both), len(both)
    if not np.isfinite(rho):
        return RankCorrelation(measure, rho, rho, rho, rho, count)
    # the variances of the Fisher transforms
    low, high = _ends(rho, (1 + rho**2 / 2) / (count - 3) if count >= FEWEST else None, level)
    tau = float(kendalltau(*both.T).statistic)
    tau_low, tau_high = _ends(tau, 0.437 / (count - 4) if count > FEWEST else None, level)
    p, free = float("nan"), count - 2
    if count >= FEWEST:
        p = 0.0 if abs(rho) == 1 else 2 * float(t.sf(abs(rho) * (free / (1 - rho**2)) ** 0.5, free))
    return RankCorrelation(measure, rho, low, high, p, count, tau, tau_low, tau_high)


def _ends(value: float, variance: float | None, level: float) -> tuple[float, float]:
    """Return the ends of the interval of a correlation, by the variance of its Fisher transform if that is known."""
    if variance is None:
        return float("nan"), float("nan")
    if abs(value) > 1 - EXACT:
        return value, value
    reach = float(norm.ppf((1 + level) / 2)) * variance**0.5
    low, high = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    return float(low), float(high)


def _rho(both: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
    """Return Spearman's rho of two columns, in O(n log n)."""
    if len(both) < 2 or bool((both == both[0]).all(axis=0).any()):
        return float("nan")
    rho = float(np.corrcoef(rankdata(both, axis=0).T)[0, 1])
    return float(np.sign(rho)) if abs(rho) > 1 - EXACT else rho
