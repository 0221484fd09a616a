"""How probable it is that a candidate is on the front: that no other is at least as good in every objective.

Of each candidate the true means are not known: they are where Student's distribution puts them around the means of its
seeds, with spreads that the candidates' own and common ones make (`reports.statistics.moderation`), with the
correlation that objectives have within a training, and with the share of the spread that equal seeds have in common,
which moves all candidates alike and so decides nothing. Drawn often, the share of draws in which nothing dominates the
candidate is the probability.

References:
    Hughes, Evolutionary multi-objective ranking with uncertainty and noise, 2001 (probability of dominance).
    Smyth, 2004 (spreads); Box, Tiao, Bayesian Inference in Statistical Analysis, 1973, chapter 2 (means under a flat
    prior).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES, Bools, Floats
from reports.statistics.moderation import moderated

DRAWS = 4000

MOST_SHARED = 0.95
"""Greatest share of the spread that seeds are taken to have in common."""

AT_ONCE = 4_000_000
"""Comparisons held in memory at once."""


class Sample(NamedTuple):
    """Runs as arrays; candidates in the order of their trials' numbers."""

    trials: list[int]
    values: Floats
    """Objectives turned so that more is better, NaN where a candidate has no such seed, ``(m, seeds, 3)``."""

    @property
    def means(self) -> Floats:
        """Means over the seeds, ``(m, 3)``."""
        return np.asarray(np.nanmean(self.values, axis=1))

    @property
    def has(self) -> Bools:
        """Which candidate has which seed, ``(m, seeds)``."""
        return np.asarray(np.isfinite(self.values[:, :, 0]))


def sample_of(runs: pd.DataFrame) -> Sample:
    """Return runs as arrays; rows in which an objective is missing are left out."""
    whole = runs.dropna(subset=list(OBJECTIVES))
    trials = sorted(int(trial) for trial in whole["trial"].unique())
    planes = [
        whole.pivot_table(index="trial", columns="seed", values=name).reindex(trials).to_numpy(dtype=float) * sign
        for name, sign in DIRECTIONS.items()
    ]
    return Sample(trials, np.stack(planes, axis=2) if trials else np.empty((0, 0, len(OBJECTIVES))))


def on_front_probability(
    runs: pd.DataFrame, floor: float | None = None, draws: int = DRAWS, seed: int = 0
) -> "pd.Series[float]":
    """Return the probability of each candidate to be on the front of them all, indexed by ``trial``.

    NaN for all as long as no candidate has two seeds.

    Args:
        runs: One row per candidate and seed: ``trial, seed, accuracy, mse, ssim``.
        floor: Least accuracy of whoever may be on a front, in [0, 1]; null for none.
        draws: How often the means are drawn.
        seed: Of the draws: the same runs give the same probabilities.
    """
    sample = sample_of(runs)
    name = "p_on_front"
    if not (sample.has.sum(axis=1) > 1).any():
        return pd.Series(np.nan, index=pd.Index(sample.trials, name="trial"), name=name, dtype=float)
    drawn = drawn_means(sample, draws, np.random.default_rng(seed))
    on_front = _undominated(drawn)
    if floor is not None:
        on_front &= drawn[:, :, 0] >= floor
    return pd.Series(on_front.mean(axis=0), index=pd.Index(sample.trials, name="trial"), name=name, dtype=float)


def drawn_means(sample: Sample, draws: int, generator: np.random.Generator) -> Floats:
    """Return draws of the candidates' true means, ``(draws, m, 3)``."""
    counts, residuals = sample.has.sum(axis=1), sample.values - sample.means[:, None, :]
    m, seeds, k = sample.values.shape
    freedom = (counts - 1).astype(float)
    variances = np.nansum(residuals**2, axis=1) / np.maximum(freedom, 1)[:, None]
    found = [moderated(variances[:, column], freedom) for column in range(k)]
    deviations = np.column_stack([each.deviations for each in found])
    degrees = np.column_stack([each.freedom for each in found]).min(axis=1)
    standard = np.where(sample.has[:, :, None], residuals, np.nan) / np.maximum(deviations, 1e-300)[:, None, :]
    root = np.linalg.cholesky(_correlation(standard))
    shared = _shared(standard)
    weights = np.where(sample.has, 1.0 / counts[:, None], 0.0)
    common = np.einsum("ms,dsk->dmk", weights, generator.standard_normal((draws, seeds, k)) @ root.T)
    own = generator.standard_normal((draws, m, k)) @ root.T / np.sqrt(counts)[None, :, None]
    scale = np.sqrt(degrees / generator.chisquare(degrees, size=(draws, m)))[:, :, None]
    noise = (np.sqrt(shared) * common + np.sqrt(1 - shared) * own) * scale
    return np.asarray(sample.means[None] + deviations[None] * noise)


def _correlation(standard: Floats) -> Floats:
    """Return the correlation of the objectives within trainings, over all candidates, ``(3, 3)``, positive definite."""
    rows = standard.reshape(-1, standard.shape[2])
    rows = rows[np.isfinite(rows).all(axis=1)]
    moments = rows.T @ rows
    spread = np.sqrt(np.maximum(np.diag(moments), 1e-300))
    plain = moments / np.outer(spread, spread)
    np.fill_diagonal(plain, 1.0)
    weight = len(rows) / (len(rows) + 10.0)  # few trainings say little of a correlation
    return np.asarray(0.999 * weight * plain + (1 - 0.999 * weight) * np.eye(len(plain)))


def _shared(standard: Floats) -> Floats:
    """Return the share of each objective's variance that equal seeds have in common, ``(3,)``, from the candidates that
    have all seeds: the variance of a seed's mean over m candidates is share + (1 - share) / m.
    """
    whole = standard[np.isfinite(standard).all(axis=(1, 2))]
    m, seeds = whole.shape[:2]
    if m < 2 or seeds < 2:
        return np.zeros(standard.shape[2])
    total = (whole**2).sum(axis=(0, 1)) / (m * (seeds - 1))
    together = (whole.mean(axis=0) ** 2).sum(axis=0) / (seeds - 1)
    ratio = together / np.maximum(total, 1e-300)
    return np.asarray(np.clip((ratio - 1 / m) / (1 - 1 / m), 0.0, MOST_SHARED))


def _undominated(drawn: Floats) -> Bools:
    """Return in which draws nothing dominates which candidate, ``(draws, m)``."""
    draws, m, _ = drawn.shape
    step = max(1, AT_ONCE // max(1, m * m))
    found = []
    for start in range(0, draws, step):
        part = drawn[start : start + step]
        no_worse: Bools = np.asarray((part[:, :, None, :] >= part[:, None, :, :]).all(axis=3))  # first than second
        no_worse[:, np.arange(m), np.arange(m)] = False
        found.append(~(no_worse & ~no_worse.transpose(0, 2, 1)).any(axis=1))
    return np.concatenate(found)
