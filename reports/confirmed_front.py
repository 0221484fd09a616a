"""What the picture of the confirmed front shows: each candidate with its intervals, and the bands that seeds attain."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from reports.chart import QUIET, Axis, Chart, Dash, Series
from reports.dominance import DIRECTIONS
from reports.formats import defense_names, number
from reports.points import AXES, Look, staircase
from reports.statistics import bands, complete_runs
from reports.tables import StudyData

DASHES: dict[str, Dash] = {"best": "dot", "median": "solid", "worst": "dash"}
LABELS = {"best": "attained in one seed", "median": "in half of the seeds", "worst": "in every seed"}


class ConfirmedPair(NamedTuple):
    """The confirmed front of two objectives."""

    x: str
    y: str
    points: pd.DataFrame
    """``trial, x, x_low, x_high, y, y_low, y_high, defense, p, hover``, a row per candidate."""
    bands: dict[str, list[tuple[float, float]]]
    """Vertices of what the fronts of the seeds attain: ``best`` at least one, ``median`` half, ``worst`` all."""
    ranges: tuple[tuple[float, float], tuple[float, float]]
    """From left to right, and from bottom to top: the upper right is always better."""


def confirmed_pair(data: StudyData, rows: pd.DataFrame, x: str, y: str) -> ConfirmedPair:
    """Return the confirmed front of two objectives.

    Args:
        data: The study.
        rows: Its candidates.
        x: An objective.
        y: Another.
    """
    whole = rows[rows["mse"].notna()]
    columns = {
        f"{axis}{end}": whole[f"{name}{end}"] for axis, name in (("x", x), ("y", y)) for end in ("", "_low", "_high")
    }
    points = pd.DataFrame(columns).fillna(
        {"x_low": whole[x], "x_high": whole[x], "y_low": whole[y], "y_high": whole[y]}
    )
    points = points.assign(trial=whole["trial"], defense=defense_names(whole), p=whole["p_on_front"])
    points["hover"] = [
        f"trial {trial}: {name}, {seeds} seeds, on the front with p = {number(p, 'share')}"
        for trial, name, seeds, p in zip(whole["trial"], points["defense"], whole["seeds"], points["p"], strict=True)
    ]
    attained = bands(complete_runs(data.confirmed), (x, y))
    stairs = {str(band): staircase(group, x, y) for band, group in attained.groupby("band", sort=False)}
    return ConfirmedPair(x, y, points, stairs, (_range(points, "x", x, stairs, 0), _range(points, "y", y, stairs, 1)))


def _range(
    points: pd.DataFrame, axis: str, name: str, stairs: dict[str, list[tuple[float, float]]], column: int
) -> tuple[float, float]:
    shown = [*points[axis], *(vertex[column] for vertices in stairs.values() for vertex in vertices)]
    extent = max(shown) - min(shown) or 0.1 * abs(max(shown)) or 0.01
    # two seeds may have an interval that would press all else together: it is cut at the edge
    low = max(min([*shown, *points[f"{axis}_low"]]), min(shown) - extent) - 0.08 * extent
    high = min(max([*shown, *points[f"{axis}_high"]]), max(shown) + extent) + 0.08 * extent
    return (low, high) if DIRECTIONS[name] > 0 else (high, low)


def confirmed_chart(pair: ConfirmedPair, looks: Mapping[str, Look]) -> Chart:
    """Return the confirmed front: intervals as bars, what the seeds attain as lines."""
    lines = [
        Series(
            [vertex[0] for vertex in vertices],
            [vertex[1] for vertex in vertices],
            Look(QUIET, "circle", "o"),
            name=LABELS[band],
            marks=False,
            line=True,
            dash=DASHES[band],
            width=1.5,
        )
        for band, vertices in pair.bands.items()
    ]
    groups = [(name, look, pair.points[pair.points["defense"].eq(name)]) for name, look in looks.items()]
    marks = [_candidates(rows, name, look) for name, look, rows in groups if len(rows)]
    across, up = pair.ranges
    return Chart(Axis(AXES[pair.x], across), Axis(AXES[pair.y], up), (*lines, *marks))


def _candidates(rows: pd.DataFrame, name: str, look: Look) -> Series:
    return Series(
        rows["x"].tolist(),
        rows["y"].tolist(),
        look,
        name=name,
        group=name,
        size=11,
        x_ends=(rows["x_low"].tolist(), rows["x_high"].tolist()),
        y_ends=(rows["y_low"].tolist(), rows["y_high"].tolist()),
        labels=[str(trial) for trial in rows["trial"]],
        hover=rows["hover"].tolist(),
    )
