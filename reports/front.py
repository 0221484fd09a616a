"""Which trials nothing else dominates, and how much of the objective space they dominate together."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES, Bools, Floats, non_dominated
from reports.volume import gains, volume

PAIRS = (("accuracy", "mse"), ("accuracy", "ssim"), ("mse", "ssim"))


def compared(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with mse and ssim as fronts compare them: ``mse_shared`` and ``ssim_shared`` where there are
    such columns, over the attacks that all trials of the front have.
    """
    shared = {name: trials[f"{name}_shared"] for name in OBJECTIVES if f"{name}_shared" in trials}
    return trials.assign(**shared)


def eligible(trials: pd.DataFrame) -> Bools:
    """Return which trials may be on a front: complete, not below the floor, all objectives known over the suite that
    they were asked with; ``(n,)``.
    """
    complete = trials["state"].eq("complete").to_numpy(dtype=bool)
    feasible = trials["feasible"].eq(True).fillna(False).to_numpy(dtype=bool)
    return np.asarray(complete & feasible & np.isfinite(_values(trials, OBJECTIVES)).all(axis=1))


def on_front(trials: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES) -> "pd.Series[bool]":
    """Return which trials no other eligible trial dominates; equal trials stand together.

    Args:
        trials: One row per trial, with columns ``state, feasible, accuracy, mse, ssim``, and ``mse_shared,
            ssim_shared`` if trials were attacked differently (`compared`); missing values NaN or null.
        objectives: Names out of ``OBJECTIVES``; by default all three.

    Returns:
        A boolean series with the index of ``trials``.
    """
    mask = eligible(trials)
    mask[mask] = non_dominated(_oriented(trials, objectives)[mask])
    return pd.Series(mask, index=trials.index, name="on_front", dtype=bool)


def front(trials: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES) -> pd.DataFrame:
    """Return the rows of ``trials`` that are on the front, in their order."""
    return trials[on_front(trials, objectives)]


def hypervolume(points: pd.DataFrame, reference: Mapping[str, float]) -> float:
    """Return the exact volume between the points and the reference, in units accuracy x mse x ssim.

    Args:
        points: Finite columns ``accuracy, mse, ssim``; rows no better than the reference in some objective add nothing.
        reference: The worst values that count, by objective.
    """
    sides = _sides(points, reference)
    return volume(sides[(sides > 0).all(axis=1)])


def hypervolume_history(trials: pd.DataFrame, reference: Mapping[str, float]) -> pd.DataFrame:
    """Return ``trial, hypervolume`` for every row: the hypervolume of the eligible trials up to that number, exact but
    for rounding.
    """
    ordered = trials.sort_values("trial", kind="stable")
    sides = _sides(ordered, reference)
    counts = eligible(ordered) & (sides > 0).all(axis=1)
    added = np.zeros(len(ordered))
    added[counts] = gains(sides[counts])
    return pd.DataFrame({"trial": ordered["trial"].to_numpy(), "hypervolume": np.cumsum(added)})


def _values(trials: pd.DataFrame, objectives: Sequence[str]) -> Floats:
    """Return the objectives as floats, ``(n, k)``, missing values as NaN."""
    found = compared(trials)
    columns = [pd.to_numeric(found[name]).to_numpy(dtype=float, na_value=np.nan) for name in objectives]
    return np.column_stack(columns)


def _oriented(trials: pd.DataFrame, objectives: Sequence[str]) -> Floats:
    """Return the objectives turned so that more is better, ``(n, k)``."""
    signs: Floats = np.array([DIRECTIONS[name] for name in objectives])
    return _values(trials, objectives) * signs


def _sides(trials: pd.DataFrame, reference: Mapping[str, float]) -> Floats:
    """Return how much better than the reference each trial is, by objective, ``(n, 3)``."""
    origin: Floats = np.array([DIRECTIONS[name] * reference[name] for name in OBJECTIVES])
    return _oriented(trials, OBJECTIVES) - origin
