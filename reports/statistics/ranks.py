"""Which defenses rank better over several studies, and which of them nobody can tell apart.

References:
    Friedman, The use of ranks to avoid the assumption of normality implicit in the analysis of variance, 1937.
    Nemenyi, Distribution-free multiple comparisons, 1963.
    Demšar, Statistical comparisons of classifiers over multiple data sets, 2006 (critical-difference diagram).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, rankdata, studentized_range

ALPHA = 0.05


class Ranks(NamedTuple):
    """What a critical-difference diagram shows."""

    mean: "pd.Series[float]"
    """Mean rank of each defense, 1 the best, in order."""
    critical_difference: float
    """Mean ranks that differ by more differ beyond chance; NaN for a single study or defense."""
    p: float
    """Of no difference among all, by Friedman's test; NaN where it cannot be made."""
    groups: list[tuple[str, ...]]
    """Runs of defenses that nobody can tell apart, none within another: the diagram's bars."""
    studies: int


def ranks(scores: pd.DataFrame, alpha: float = ALPHA) -> Ranks:
    """Return mean ranks over studies and their critical difference; equal scores share their ranks.

    Args:
        scores: A row per study, a column per defense, more is better, without gaps: a defense's hypervolume, say.
        alpha: Chance of any false finding.

    Raises:
        ValueError: a study lacks a defense.
    """
    if scores.isna().any().any():
        lacking = scores.columns[scores.isna().any()].tolist()
        raise ValueError(f"scores: {lacking} are not in every study; rank what all of them have")
    studies, count = scores.shape
    values = -scores.to_numpy(dtype=float)
    found = rankdata(values, axis=1) if count else values
    mean = pd.Series(found.mean(axis=0), index=scores.columns, name="rank").sort_values(kind="stable")
    critical = float("nan")
    if count > 1 and studies > 1:
        quantile = float(studentized_range.ppf(1 - alpha, count, np.inf)) / 2**0.5
        critical = quantile * (count * (count + 1) / (6 * studies)) ** 0.5
    p = float(friedmanchisquare(*values.T).pvalue) if count > 2 and studies > 1 else float("nan")
    return Ranks(mean, critical, p, _groups(mean, critical), studies)


def _groups(mean: "pd.Series[float]", critical: float) -> list[tuple[str, ...]]:
    """Return the longest runs of neighbours whose ends are within the critical difference, of two or more."""
    if not np.isfinite(critical):
        return []
    values, names = mean.to_numpy(), [str(name) for name in mean.index]
    ends = [int(np.flatnonzero(values <= value + critical)[-1]) for value in values]
    runs = [(start, end) for start, end in enumerate(ends) if end > start and (start == 0 or ends[start - 1] < end)]
    return [tuple(names[start : end + 1]) for start, end in runs]
