"""Whether two candidates differ, and by enough to matter: paired by seed, all comparisons held to one error rate.

A difference counts if it is not chance (paired t-test, Holm's correction over all comparisons) and if it is not within
the region of practical equivalence; two candidates are equivalent if it is within that region beyond chance (two
one-sided tests, likewise corrected). Otherwise nothing is decided.

References:
    Holm, A simple sequentially rejective multiple test procedure, 1979.
    Schuirmann, A comparison of the two one-sided tests procedure and the power approach, 1987.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from reports.dominance import DIRECTIONS, OBJECTIVES, Floats
from reports.statistics.intervals import interval
from reports.statistics.seeds_needed import seeds_needed

ROPE: Mapping[str, float] = MappingProxyType({"accuracy": 0.005, "mse": 0.0, "ssim": 0.01})
"""Differences up to which two values are as good as equal: half a point of accuracy, .01 of ssim; of mse, whose scale
is each data set's own, none unless told."""

ALPHA = 0.05
"""Chance of any false finding among all comparisons."""

COLUMNS = ("first", "second", "objective", "difference", "low", "high", "seeds", "p", "p_holm", "verdict", "more_seeds")


class Paired(NamedTuple):
    """How much better the first is than the second at equal seeds; more is better for the first."""

    difference: float
    low: float
    high: float
    seeds: int
    deviation: float
    """Standard deviation of the differences over seeds."""
    p: float
    """Of no difference, two-sided; NaN with fewer than two seeds in common."""
    p_apart: float
    """Of a difference at the edge of the region of practical equivalence or beyond."""


def paired(differences: Floats, rope: float) -> Paired:
    """Return what the differences at each seed say, ``(n,)``, positive where the first is better.

    Args:
        differences: One for each seed that both have.
        rope: Half-width of the region of practical equivalence, >= 0.
    """
    found, count = interval(differences), len(differences)
    if count < 2:
        return Paired(*found, deviation=np.nan, p=np.nan, p_apart=np.nan)
    deviation = float(np.std(differences, ddof=1))
    error = max(deviation / count**0.5, 1e-300)
    two_sided = 2 * float(student.sf(abs(found.value) / error, count - 1))
    apart = float(student.cdf((abs(found.value) - rope) / error, count - 1)) if rope else 1.0
    return Paired(*found, deviation=deviation, p=two_sided, p_apart=apart)


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number, ``(n,)``; NaN stays NaN and counts for nothing."""
    corrected, known = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def differences(
    runs: pd.DataFrame, pairs: Iterable[tuple[int, int]], rope: Mapping[str, float] = ROPE, alpha: float = ALPHA
) -> pd.DataFrame:
    """Return a row per pair and objective, of ``COLUMNS``; ``difference`` is positive where the first is better.

    ``verdict``: ``better``, ``worse`` (the first), ``equivalent`` or ``undecided``; ``more_seeds`` says how many it
    takes to decide if the means and the spread stay (`reports.statistics.seeds_needed`).

    Args:
        runs: ``trial, seed, accuracy, mse, ssim``.
        pairs: Trials to compare; all of them are one family.
        rope: By objective.
        alpha: Chance of any false finding.
    """
    tables = {name: runs.pivot_table(index="seed", columns="trial", values=name) for name in OBJECTIVES}
    rows = [(first, second, name) for first, second in pairs for name in OBJECTIVES]
    found = [
        paired((tables[name][first] - tables[name][second]).dropna().to_numpy() * DIRECTIONS[name], rope[name])
        for first, second, name in rows
    ]
    differ, apart = holm(np.array([each.p for each in found])), holm(np.array([each.p_apart for each in found]))
    listed = [
        (*row, each.difference, each.low, each.high, each.seeds, each.p, p_holm, _verdict(each, p_holm, p_apart, alpha))
        for row, each, p_holm, p_apart in zip(rows, found, differ, apart, strict=True)
    ]
    more = [
        0 if verdict != "undecided" else seeds_needed(each.difference, each.deviation, rope[name], each.seeds)
        for (*_, verdict), (_, _, name), each in zip(listed, rows, found, strict=True)
    ]
    return pd.DataFrame([(*row, count) for row, count in zip(listed, more, strict=True)], columns=[*COLUMNS])


def _verdict(found: Paired, p_holm: float, p_apart: float, alpha: float) -> str:
    if p_apart < alpha:
        return "equivalent"
    if p_holm < alpha:
        return "better" if found.difference > 0 else "worse"
    return "undecided"
