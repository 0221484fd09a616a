"""What a front's picture shows: every trial's place, how it is marked, the staircase of the front, and the floors."""

from collections.abc import Mapping
from html import escape
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, Floats
from reports.formats import defense_names, is_missing, number, varying_settings
from reports.front import compared, on_front
from reports.tables import StudyData

AXES = {
    "accuracy": "accuracy (more is better)",
    "mse": "mse of the worst attack (more is more private)",
    "ssim": "ssim of the worst attack (less is more private)",
}
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
    """``trial, x, y, defense, kind, undefended_anchor, limited, label``; one row per trial that has both."""
    staircase: list[tuple[float, float]]
    """Vertices of the border of what the eligible trials dominate in these two objectives."""
    levels: list[Level]
    """The mean-image guess in these objectives, and the study's least accuracy."""
    ranges: tuple[tuple[float, float], tuple[float, float]]
    """From left to right, and from bottom to top: ssim runs downwards, so that the upper right is always better."""
    undrawn: int
    """Trials without both numbers."""

    def in_right_half(self, x: float) -> bool:
        """Return whether there is more room to the left of x than to its right."""
        left, right = self.ranges[0]
        return abs(x - left) > abs(right - x)


def looks(trials: pd.DataFrame) -> dict[str, Look]:
    """Return how each defense is drawn, in order of first appearance; the undefended is grey."""
    names = [name for name in dict.fromkeys(defense_names(trials)) if name != "none"]
    drawn = {"none": UNDEFENDED}
    for index, name in enumerate(names):
        drawn[name] = look_of(index)
    return drawn


def look_of(index: int) -> Look:
    """Return how the thing at an index of a list is drawn."""
    return Look(COLOURS[index % len(COLOURS)], *SYMBOLS[index % len(SYMBOLS)])


def pair(data: StudyData, x: str, y: str) -> Pair:
    """Return what the picture of two objectives shows."""
    trials = compared(data.trials)
    points = pd.DataFrame(
        {
            "trial": trials["trial"],
            "x": pd.to_numeric(trials[x]),
            "y": pd.to_numeric(trials[y]),
            "defense": defense_names(trials),
            "kind": kinds(trials),
            "undefended_anchor": undefended(trials) & trials["anchor"].eq(True),
            "limited": trials["limited"].eq(True),
        }
    )
    drawn = np.isfinite(points[["x", "y"]].to_numpy(dtype=float, na_value=np.nan)).all(axis=1)
    points = points[drawn]
    levels = _levels(data, x, y)
    return Pair(
        x=x,
        y=y,
        points=points.assign(label=_labels(points, x, y)),
        staircase=staircase(trials[on_front(trials, (x, y))], x, y),
        levels=levels,
        ranges=(_range(trials, levels, x), _range(trials, levels, y)),
        undrawn=int((~drawn).sum()),
    )


def defense_staircases(trials: pd.DataFrame, x: str, y: str) -> dict[str, list[tuple[float, float]]]:
    """Return the border of what each defense's own eligible trials dominate, by defense."""
    groups = compared(trials).groupby(defense_names(trials), sort=False)
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
    rows = data.floors[data.floors["guess"].eq(guess) & data.floors["part"].isin(_scored_parts(data))]
    return None if rows.empty else float(rows[objective].median())


def _scored_parts(data: StudyData) -> set[str]:
    """Return the parts that the deciding attacks were scored on: those of jobs and floors that objectives name."""
    deciding = set(data.trials["mse_attack"].dropna()) | set(data.trials["ssim_attack"].dropna())
    parts = set(data.attacks.loc[data.attacks["job"].isin(deciding), "part"])
    return parts or set(data.trials["part"].dropna())


def hovers(data: StudyData) -> dict[int, str]:
    """Return what the page says of each trial that is pointed at, as markup: number, defense, objectives, settings by
    their whole paths, deciding attacks and verdicts.
    """
    trials = data.trials[data.trials["accuracy"].notna()]
    paths = [path for path in varying_settings(data.trials) if not path.endswith("/name")]
    jobs = zip(data.attacks["trial"], data.attacks["job"], data.attacks["verdict"], strict=True)
    verdicts = {(trial, job): str(verdict) for trial, job, verdict in jobs}
    names, states = defense_names(trials), kinds(data.trials).loc[trials.index]
    rows = zip(trials.to_dict("records"), names, states, strict=True)
    return {
        int(row["trial"]): "<br>".join(escape(line) for line in _hover(row, name, state, paths, verdicts))
        for row, name, state in rows
    }


def _hover(
    row: dict[str, object], name: str, state: str, paths: list[str], verdicts: Mapping[tuple[object, object], str]
) -> list[str]:
    scores = ", ".join(f"{objective} {number(row[objective], objective)}" for objective in DIRECTIONS)
    head = [f"trial {row['trial']}: {name} ({state})", scores]
    asked = [f"{path} = {number(row[path])}" for path in paths if not is_missing(row[path])]
    attacks = [job for job in dict.fromkeys([row["mse_attack"], row["ssim_attack"]]) if not is_missing(job)]
    return [*head, *asked, *(f"worst: {job} ({verdicts.get((row['trial'], job), 'guess')})" for job in attacks)]


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
    labels = [""] * len(points)
    for index in np.flatnonzero(points["kind"].eq("front")):
        written = numbers[[other for other in range(index) if labels[other]]]
        taken = np.concatenate([np.delete(marks, index, axis=0), written])
        if not (np.abs(taken - numbers[index]).max(axis=1) < 0.9).any():
            labels[index] = str(points["trial"].iloc[index])
    return labels
