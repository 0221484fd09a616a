"""What fronts of repeated trainings attain: in at least one seed (best), in at least half (median), in all (worst).

References:
    Grunert da Fonseca, Fonseca, Hall, Inferential performance assessment of stochastic optimisers and the attainment
    function, 2001.
    Fonseca, Guerreiro, López-Ibáñez, Paquete, On the computation of the empirical attainment function, 2011.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES, Floats, non_dominated

BANDS = ("best", "median", "worst")


def attained(fronts: Sequence[Floats], level: int) -> Floats:
    """Return the outermost points that at least ``level`` of the fronts attain; assumes maximisation.

    A front attains a point if one of its points is at least as good in every objective. With n points in all and r
    fronts this takes O(r n^2) for two objectives and O(r n^3) for three.

    Args:
        fronts: The points of each, finite, ``(n_i, k)``; dominated points change nothing.
        level: How many of them, 1 to ``len(fronts)``.

    Returns:
        Points none of which dominates another, ``(n, k)``; none if fewer fronts have any point.

    Raises:
        ValueError: there is no such level.
    """
    if not 1 <= level <= len(fronts):
        raise ValueError(f"level: takes 1 to {len(fronts)}, the number of fronts, not {level}")
    points = _attained([front for front in fronts if len(front)], level)
    return points[non_dominated(points)] if len(points) else points.reshape(0, fronts[0].shape[1])


def level_of(band: str, count: int) -> int:
    """Return how many of ``count`` fronts a band takes: 1, half of them rounded up, or all."""
    return {"best": 1, "median": (count + 1) // 2, "worst": count}[band]


def bands(runs: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES) -> pd.DataFrame:
    """Return ``band`` and the objectives of the points that the fronts of the seeds attain, by band.

    Args:
        runs: ``trial, seed`` and the objectives; seeds that not every candidate has are left out, since fronts of other
            candidates are other fronts.
        objectives: Names out of ``OBJECTIVES``.
    """
    fronts = fronts_of(runs, objectives)
    signs = np.array([DIRECTIONS[name] for name in objectives])
    found = []
    for band in BANDS if fronts else ():
        points = attained(fronts, level_of(band, len(fronts))) * signs
        found.append(pd.DataFrame(points, columns=[*objectives]).assign(band=band))
    whole = pd.concat(found) if found else pd.DataFrame(columns=[*objectives, "band"])
    return whole[["band", *objectives]].sort_values(["band", *objectives], ignore_index=True)


def fronts_of(runs: pd.DataFrame, objectives: Sequence[str] = OBJECTIVES) -> list[Floats]:
    """Return the points of each seed that every candidate has, turned so that more is better, ``(m, k)`` each."""
    whole = runs.dropna(subset=[*objectives])
    signs = np.array([DIRECTIONS[name] for name in objectives])
    candidates = whole["trial"].nunique()
    groups = [group for _, group in whole.groupby("seed") if group["trial"].nunique() == candidates]
    return [group[[*objectives]].to_numpy(dtype=float) * signs for group in groups]


def _attained(fronts: Sequence[Floats], level: int) -> Floats:
    """Return points that ``level`` fronts attain, among them all outermost ones: the last objective is swept from its
    best value down, and at each value the points that reach it are looked at in the others.
    """
    if len(fronts) < level:
        return np.empty((0, fronts[0].shape[1] if fronts else 1))
    if fronts[0].shape[1] == 1:
        best = sorted((float(front.max()) for front in fronts), reverse=True)
        return np.array([[best[level - 1]]])
    if fronts[0].shape[1] == 2:
        return _in_the_plane(fronts, level)
    found = []
    for value in np.unique(np.concatenate([front[:, -1] for front in fronts])):
        reaching = [front[front[:, -1] >= value, :-1] for front in fronts]
        below = _attained([front for front in reaching if len(front)], level)
        found.append(np.column_stack([below, np.full(len(below), value)]))
    return np.concatenate(found)


def _in_the_plane(fronts: Sequence[Floats], level: int) -> Floats:
    columns = np.unique(np.concatenate([front[:, 0] for front in fronts]))
    heights = np.array([[_height(front, column) for column in columns] for front in fronts])
    attained_heights = np.sort(heights, axis=0)[len(fronts) - level]
    kept = np.isfinite(attained_heights)
    return np.column_stack([columns[kept], attained_heights[kept]])


def _height(front: Floats, column: float) -> float:
    return float(front[front[:, 0] >= column, 1].max(initial=-np.inf))
