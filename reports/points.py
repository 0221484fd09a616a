"""What a front's picture shows: every trial's place, how it is marked, the staircase of the front, and the floors."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from reports.dominance import DIRECTIONS, Floats
from reports.formats import defense_names, number
from reports.front import compared, on_front
from reports.tables import StudyData
from reports.thinning import thinned

AXES = {
    "accuracy": "accuracy (more is better)",
    "mse": "mse of the worst attack (more is more private)",
    "ssim": "ssim of the worst attack (less is more private)",
}
MOST_FRONT, MOST_OTHERS = 1500, 4000
"""Marks of trials on the front, and of others, that a figure draws at most."""

GUESSES = {"mean_image": "mean image", "class_mean": "class mean", "mean_colour": "mean colour", "nearest": "nearest"}


class Look(NamedTuple):
    """How a defense is drawn, in both libraries."""

    colour: str
    plotly: str
    matplotlib: str


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")  # Okabe and Ito's, one replaced
SYMBOLS = (
    ("square", "s"),
    ("diamond", "D"),
    ("triangle-up", "^"),
    ("triangle-down", "v"),
    ("pentagon", "p"),
    ("hexagon", "h"),
    ("star", "*"),
    ("cross", "P"),
)
UNDEFENDED = Look("#7A828C", "circle", "o")


class Level(NamedTuple):
    """A value that trials are compared with, drawn across the picture, or named at its edge if it lies far outside."""

    objective: str
    value: float
    text: str
    inside: bool


class Pair(NamedTuple):
    """A front of two objectives."""

    x: str
    y: str
    points: pd.DataFrame
    """``trial, x, y, defense, kind, undefended_anchor, limited, label``; a row per trial that has both and is drawn."""
    staircase: list[tuple[float, float]]
    """Vertices of the border of what the eligible trials dominate in these two objectives."""
    levels: list[Level]
    """The mean-image guess in these objectives, and the study's least accuracy."""
    ranges: tuple[tuple[float, float], tuple[float, float]]
    """From left to right, and from bottom to top: ssim runs downwards, so that the upper right is always better."""
    undrawn: int
    """Trials without both numbers."""
    hidden: int
    """Trials that have them, and are left out where marks lie upon marks."""
    within: float
    """How near one that is drawn stands for those, px."""

    def in_right_half(self, x: float) -> bool:
        """Return whether there is more room to the left of x than to its right."""
        left, right = self.ranges[0]
        return abs(x - left) > abs(right - x)


def looks(trials: pd.DataFrame) -> dict[str, Look]:
    """Return how each defense is drawn, in order of first appearance; the undefended is grey."""
    names = [name for name in defense_names(trials).unique() if name != "none"]
    drawn = {"none": UNDEFENDED}
    for index, name in enumerate(names):
        drawn[name] = look_of(index)
    return drawn


def look_of(index: int) -> Look:
    """Return how the thing at an index of a list is drawn."""
    return Look(COLOURS[index % len(COLOURS)], *SYMBOLS[index % len(SYMBOLS)])


def placed(trials: pd.DataFrame) -> pd.DataFrame:
    """Return what pictures show of each trial: ``trial, defense, kind, undefended_anchor, limited`` and its objectives,
    NaN where they are missing.
    """
    numbers = {name: pd.to_numeric(values) for name, values in compared(trials)[[*DIRECTIONS]].items()}
    names = defense_names(trials)
    return pd.DataFrame(
        {
            "trial": trials["trial"],
            "defense": names,
            "kind": kinds(trials),
            "undefended_anchor": names.eq("none") & trials["anchor"].eq(True),
            "limited": trials["limited"].eq(True),
            **numbers,
        }
    )


def pair(data: StudyData, x: str, y: str, points: pd.DataFrame | None = None) -> Pair:
    """Return what the picture of two objectives shows.

    Args:
        data: The study's.
        x: The objective across.
        y: The one upwards.
        points: Its trials as `placed` returns them, where several pictures need them.
    """
    points = placed(data.trials) if points is None else points
    trials = compared(data.trials)
    points = points.assign(x=points[x], y=points[y])
    drawn = np.isfinite(points[["x", "y"]].to_numpy(dtype=float, na_value=np.nan)).all(axis=1)
    points = points[drawn]
    levels = _levels(data, x, y)
    ranges = (_range(trials, levels, x), _range(trials, levels, y))
    shown, within = _drawn(points, ranges)
    return Pair(
        x=x,
        y=y,
        points=shown.assign(label=_labels(shown, x, y)),
        staircase=staircase(trials[on_front(trials, (x, y))], x, y),
        levels=levels,
        ranges=ranges,
        undrawn=int((~drawn).sum()),
        hidden=len(points) - len(shown),
        within=within,
    )


def _drawn(points: pd.DataFrame, ranges: tuple[tuple[float, float], tuple[float, float]]) -> tuple[pd.DataFrame, float]:
    """Return the points that a figure draws, and how near the others are to them, px: of marks that look alike and lie
    upon each other one, and every anchor.
    """
    (left, right), (low, high) = ranges
    places = points[["x", "y"]].to_numpy(dtype=float)
    shares = (places - [left, low]) / [right - left, high - low]
    (defenses, _), (kinds_, known) = pd.factorize(points["defense"]), pd.factorize(points["kind"])
    groups, front = defenses * len(known) + kinds_, points["kind"].eq("front").to_numpy(dtype=bool)
    kept, within = points["undefended_anchor"].to_numpy(dtype=bool).copy(), 0.0
    for own, most in ((front, MOST_FRONT), (~front, MOST_OTHERS)):
        found = thinned(shares[own], groups[own], most)
        kept[own] |= found.kept
        within = max(within, found.within)
    return points[kept], within


def defense_staircases(trials: pd.DataFrame, x: str, y: str) -> dict[str, list[tuple[float, float]]]:
    """Return the border of what each defense's own eligible trials dominate, by defense."""
    own = compared(trials)[["state", "feasible", *DIRECTIONS]]
    groups = own.groupby(defense_names(trials), sort=False)
    return {str(name): staircase(rows[on_front(rows, (x, y))], x, y) for name, rows in groups}


def kinds(trials: pd.DataFrame) -> "pd.Series[str]":
    """Return how each trial stands: front, dominated, infeasible, or its state where that is not complete."""
    complete = trials["state"].eq("complete")
    kind = trials["state"].astype(object).mask(complete, "dominated")
    return kind.mask(complete & ~trials["feasible"].eq(True), "infeasible").mask(on_front(trials), "front")


def undefended(trials: pd.DataFrame) -> "pd.Series[bool]":
    """Return which trials have neither defense nor term."""
    return defense_names(trials).eq("none").astype(bool)


def floor_of(data: StudyData, objective: str, guess: str = "mean_image") -> float | None:
    """Return the median over trials of a guess's score on the part that the objectives were measured on."""
    if objective == "accuracy" or data.floors.empty:
        return None
    return float(data.guessed.at[guess, objective]) if guess in data.guessed.index else None


def staircase(members: pd.DataFrame, x: str, y: str) -> list[tuple[float, float]]:
    """Return the vertices of the border of what members dominate that nothing among them dominates, in order of x."""
    # ties on both objectives are one vertex
    corners = sorted({(float(a), float(b)) for a, b in zip(members[x], members[y], strict=True)})
    if DIRECTIONS[x] < 0:
        corners.reverse()
    vertices = corners[:1]
    for (left, _), (right, height) in pairwise(corners):
        vertices += [(left, height), (right, height)]
    return vertices


def _levels(data: StudyData, x: str, y: str) -> list[Level]:
    levels = []
    for name in (x, y):
        values = _known(compared(data.trials), name)
        value = data.study["floor"] if name == "accuracy" else floor_of(data, name)
        if value is not None and len(values):
            text = f"{'accuracy floor' if name == 'accuracy' else f'mean image: {name}'} {number(value, name)}"
            low, high = float(values.min()), float(values.max())
            extent = high - low
            # a line further off than this would press the trials together; a lone trial it gives a scale
            inside = extent == 0 or low - 0.6 * extent <= value <= high + 0.6 * extent
            levels.append(Level(name, value, text, bool(inside)))
    return levels


def _range(trials: pd.DataFrame, levels: list[Level], name: str) -> tuple[float, float]:
    """Return the ends of an objective's axis: the same wherever it is drawn."""
    shown = [*_known(trials, name), *(level.value for level in levels if level.objective == name and level.inside)]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 0.01
    return (low - margin, high + margin) if DIRECTIONS[name] > 0 else (high + margin, low - margin)


def _known(trials: pd.DataFrame, name: str) -> Floats:
    """Return an objective of the trials that have all of them."""
    values = trials[[*DIRECTIONS]].apply(pd.to_numeric).to_numpy(dtype=float, na_value=np.nan)
    whole: Floats = values[np.isfinite(values).all(axis=1), [*DIRECTIONS].index(name)]
    return whole


def _labels(points: pd.DataFrame, x: str, y: str, wide: float = 0.035, high: float = 0.06) -> list[str]:
    """Return the numbers of the front's trials but for those that would be written over a mark or another number.

    Args:
        wide: Room that a number takes, as a share of the points' extent along x.
        high: Likewise along y.
    """
    extent = (points[["x", "y"]].max() - points[["x", "y"]].min()).replace(0, 1).to_numpy(dtype=float)
    marks = points[["x", "y"]].to_numpy(dtype=float) / extent / [wide, high]
    numbers = np.add(marks, [0.5 * DIRECTIONS[x], 0.65 * DIRECTIONS[y]])
    front = np.flatnonzero(points["kind"].eq("front"))
    labels, written = [""] * len(points), np.empty((0, 2))
    if not len(front):
        return labels
    near = KDTree(marks).query_ball_point(numbers[front], 0.9 - 1e-9, p=np.inf, return_length=True)
    for index in front[near == 1]:  # its own mark is always as near
        if not (np.abs(written - numbers[index]).max(axis=1) < 0.9).any():
            labels[index] = str(points["trial"].iloc[index])
            written = np.vstack([written, numbers[index]])
    return labels
