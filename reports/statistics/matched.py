"""What each defense buys over the undefended network that is as accurate: privacy at matched accuracy.

Which candidate stands for a defense at an accuracy is chosen on the other seeds than the one it is scored on, so that
the best of many is not best by luck.

References:
    Stone, Cross-validatory choice and assessment of statistical predictions, 1974.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, Floats
from reports.statistics.differences import ROPE
from reports.statistics.intervals import interval

UNDEFENDED = "none"

COLUMNS = ("defense", "trials", "value", "low", "high", "gain", "gain_low", "gain_high", "seeds")


def matched(
    runs: pd.DataFrame,
    defenses: Mapping[int, str],
    accuracy: float,
    objective: str = "mse",
    tolerance: float = ROPE["accuracy"],
    baseline: str = UNDEFENDED,
) -> pd.DataFrame:
    """Return a row per defense, of ``COLUMNS``: its score at an accuracy, and what it gains over the baseline there.

    Args:
        runs: ``trial, seed, accuracy, mse, ssim``; seeds that not every candidate has are left out.
        defenses: The defense of each trial.
        accuracy: In [0, 1]: candidates must reach it, in the mean over seeds, but for ``tolerance``.
        objective: ``mse`` or ``ssim``.
        tolerance: What accuracies may differ by and be as good as equal.
        baseline: The defense that the others are held against.

    Returns:
        ``trials``: those that stood for the defense, in order. ``value`` with its interval over seeds. ``gain``: how
        much better than the baseline at equal seeds, positive where it protects more. NaN where no candidate of the
        defense (or of the baseline) reaches the accuracy.
    """
    whole = runs.dropna(subset=["accuracy", objective])
    accuracies = whole.pivot_table(index="trial", columns="seed", values="accuracy")
    accuracies = accuracies.dropna(axis=1)
    scores = whole.pivot_table(index="trial", columns="seed", values=objective)[accuracies.columns]
    names = dict.fromkeys([baseline, *(defenses[trial] for trial in accuracies.index)])
    least = accuracy - tolerance
    stood = {
        name: _representatives(
            accuracies, scores, [t for t in accuracies.index if defenses[t] == name], least, objective
        )
        for name in names
    }
    base, rows = stood[baseline], []
    for name, chosen in stood.items():
        values = _scored(scores, chosen)
        own = interval(values)
        both = name != baseline and len(chosen) and len(base)
        gains = (values - _scored(scores, base)) * DIRECTIONS[objective] if both else np.empty(0)
        gain = interval(gains[np.isfinite(gains)])
        rows.append((name, tuple(dict.fromkeys(chosen)), *own[:3], *gain[:3], own.seeds))
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _representatives(
    accuracies: pd.DataFrame, scores: pd.DataFrame, trials: list[int], least: float, objective: str
) -> list[int]:
    """Return who stands for a defense at each seed, chosen on the others; nobody if none reaches the accuracy there."""
    chosen = []
    for seed in accuracies.columns:
        others = [other for other in accuracies.columns if other != seed] or [seed]
        means = accuracies.loc[trials, others].mean(axis=1)
        able = means[means >= least].index
        if not len(able):
            return []
        better = scores.loc[able, others].mean(axis=1) * DIRECTIONS[objective]
        chosen.append(int(better.idxmax()))
    return chosen


def _scored(scores: pd.DataFrame, chosen: list[int]) -> Floats:
    """Return the score of whoever stands for a defense, by seed; nothing if nobody does."""
    if not chosen:
        return np.empty(0)
    return np.array([scores.at[trial, seed] for trial, seed in zip(chosen, scores.columns, strict=True)])
