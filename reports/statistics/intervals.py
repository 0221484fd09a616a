"""The mean over defense seeds and an interval for it: the seeds are the sample, what lies below them is averaged first.

A training with another seed is a new draw; further attack seeds and further images measure the same draw better. So the
scores are averaged over images, then over attack seeds, and the interval is that of the seeds' means: Student's t below
``BOOTSTRAP_FROM`` seeds, from there on the bootstrap-t, which needs no normal distribution. (The percentile bootstrap
would cover 90 % where 95 % are asked for at ten seeds.)

References:
    Student, The probable error of a mean, 1908.
    Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5 (bootstrap-t).
    Bouthillier et al., Accounting for variance in machine learning benchmarks, 2021 (which seeds are the sample).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from reports.dominance import Floats

LEVEL = 0.95
"""Nominal coverage of every interval."""

BOOTSTRAP_FROM = 10
"""Seeds from which the interval is the bootstrap's."""

RESAMPLES = 1999

RANGES = {"accuracy": (0.0, 1.0), "mse": (0.0, np.inf), "ssim": (-1.0, 1.0)}
"""Least and greatest value of each objective: no interval reaches beyond."""

EVERYTHING = (-np.inf, np.inf)


class Interval(NamedTuple):
    """A mean and where it may lie."""

    value: float
    low: float
    """NaN with the high end if fewer than two seeds are there."""
    high: float
    seeds: int


def seed_means(scores: pd.DataFrame, objective: str) -> "pd.Series[float]":
    """Return the mean of each defense seed, indexed by ``trial, seed``.

    Args:
        scores: Rows of ``trial, seed`` and the objective; of ``attack_seed`` and of ``image`` too, if there are such
            columns: images are averaged within each attack seed, these within each defense seed.
        objective: The column.
    """
    levels = [["trial", "seed", "attack_seed"], ["trial", "seed"]] if "attack_seed" in scores else [["trial", "seed"]]
    found = scores
    for keys in levels:
        found = found.groupby(keys, as_index=False)[objective].mean()
    means: pd.Series[float] = found.set_index(["trial", "seed"])[objective]
    return means


def interval(means: Floats, level: float = LEVEL, within: tuple[float, float] = EVERYTHING) -> Interval:
    """Return the mean of the seeds' means, and its interval.

    Args:
        means: One value per defense seed, finite, ``(n,)``; the order does not matter below ``BOOTSTRAP_FROM`` seeds.
        level: Nominal coverage, in (0, 1).
        within: What values there are, of ``RANGES``.
    """
    count = len(means)
    if not count:
        return Interval(np.nan, np.nan, np.nan, 0)
    value = float(np.mean(means))
    if count == 1:
        return Interval(value, np.nan, np.nan, 1)
    error = float(np.std(means, ddof=1)) / count**0.5
    below, above = _bootstrap_t(means, level) if count >= BOOTSTRAP_FROM else _student(count, level)
    low, high = max(value - above * error, within[0]), min(value - below * error, within[1])
    return Interval(value, low, high, count)


def _student(count: int, level: float) -> tuple[float, float]:
    """Return the quantiles of the studentised mean by Student's distribution."""
    above = float(student.ppf((1 + level) / 2, count - 1))
    return -above, above


def _bootstrap_t(means: Floats, level: float) -> tuple[float, float]:
    """Return the quantiles of the studentised mean over resamples; the same for the same means."""
    count = len(means)
    drawn = means[np.random.default_rng(0).integers(count, size=(RESAMPLES, count))]
    spread = drawn.std(axis=1, ddof=1)
    kept = spread > 0
    if not kept.any():
        return 0.0, 0.0
    studentised = (drawn[kept].mean(axis=1) - means.mean()) / (spread[kept] / count**0.5)
    below, above = np.quantile(studentised, [(1 - level) / 2, (1 + level) / 2])
    return float(below), float(above)
