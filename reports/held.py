"""Trainings that were held to an accuracy: how near each came, and what defenses are worth beside others there."""

from itertools import combinations

import numpy as np
import pandas as pd

from reports.formats import counted, defense_names, listed
from reports.statistics import complete_runs, differences
from reports.study import Study

TARGET = "train/target_accuracy"

TRAINED = "defense/rotated_noise/trained"

FARTHEST = 0.025
"""Accuracy on the control part by which a training may miss its target and be at matched accuracy."""

BASELINES = ("none", "rotated_noise", "cem_paper", "cem_code")
"""What the others are held against: no defense where its own accuracy is the target's, noise of the best shape whose
client is left alone, and the published penalty in its two forms."""


def off_target(trials: pd.DataFrame) -> "pd.Series[float]":
    """Return by how much trials that were held to an accuracy missed it on the control part; NaN of all others.

    Args:
        trials: ``trials.parquet``, or rows of it.
    """
    if not {"control_accuracy", TARGET} <= {*trials}:
        return pd.Series(np.nan, index=trials.index, dtype=float)
    return (trials["control_accuracy"].astype(float) - trials[TARGET].astype(float)).round(9)


def near_target(study: Study) -> pd.DataFrame:
    """Return the confirmed trainings that have objectives and ended near the target of their trial, held to it or not:
    ``trial, seed, accuracy, mse, ssim, control_accuracy``, and ``train/target_accuracy``.
    """
    targets = study.data.trials.set_index("trial").get(TARGET, pd.Series(dtype=float))
    runs = complete_runs(study.data.confirmed)
    runs = runs.assign(**{TARGET: runs["trial"].map(targets).astype(float)})
    return runs[off_target(runs).abs() <= FARTHEST]


def against_baselines(study: Study) -> pd.DataFrame:
    """Return how confirmed trials differ from the baselines of their target at equal seeds.

    Returns:
        As `reports.statistics.differences`, all comparisons one family, ``second`` the baseline: of several trials of
        one that have the target, the one of the highest mean mse. Baselines stand beside those before them.
    """
    runs, trials = near_target(study), study.data.trials
    means = runs.groupby("trial")["mse"].mean()
    known = trials[trials["trial"].isin(means.index)]
    pairs = list[tuple[int, int]]()
    for _, group in known.groupby(known[TARGET].astype(float)) if len(known) else ():
        names = defense_names(group)
        free = group[TRAINED].eq(False) if TRAINED in group else pd.Series(False, index=group.index)
        names = names.where(names.ne("rotated_noise") | free, "rotated_noise, trained")
        best = {
            name: int(means[group.loc[names.eq(name), "trial"]].idxmax()) for name in BASELINES if names.eq(name).any()
        }
        own = [int(trial) for trial, name in zip(group["trial"], names, strict=True) if name not in BASELINES]
        pairs += [(second, first) for first, second in combinations(best.values(), 2)]
        pairs += [(trial, other) for trial in own for other in best.values()]
    return differences(runs, pairs)


def missed_words(trials: pd.DataFrame) -> list[str]:
    """Return which of the trials missed the accuracy that they were held to, in a sentence; nothing if none did."""
    off = off_target(trials)
    far = off[off.abs() > FARTHEST]
    far = far[trials.loc[far.index, "controlled"].eq(True)] if len(far) else far
    if far.empty:
        return []
    told = [f"{trial} by {100 * by:+.1f}" for trial, by in zip(trials.loc[far.index, "trial"], far, strict=True)]
    return [
        f"{counted(len(far), 'trial')} missed the target of accuracy by more than {100 * FARTHEST:g} points "
        f"({listed(told)}): not at matched accuracy."
    ]
