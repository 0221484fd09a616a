"""The figures of a report as PNG files, for papers and slides."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from reports.curves import Curve
from reports.figures import QUIET
from reports.formats import number
from reports.levels import DEVIATIONS, LevelCurve
from reports.points import AXES, Look, Pair
from reports.reconstructions import RANKS, Gallery
from reports.repeats import Repeat

Options = dict[str, Any]
"""Keywords of a drawing function, whose types matplotlib keeps apart by call."""

STYLE: dict[RcKeyType, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "legend.frameon": False,
    "svg.hashsalt": "invfront",
}
BROKEN = (0, (8, 2, 1, 2))
LINES = {
    "tight": "-", "open": "--", "floor": ":", "inert": BROKEN, "diverged": "-.", "failed": BROKEN,
    "converged": "-", "limited": "--",
}  # fmt: skip


def draw_pair(pair: Pair, looks: dict[str, Look]) -> bytes:
    """Return the front of two objectives as PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(AXES[pair.x], AXES[pair.y])
        axes.plot(*_columns(pair.staircase), color=QUIET, linewidth=1.2, label="front of this pair", zorder=1)
        for name, look in looks.items():
            _draw_defense(axes, pair.points[pair.points["defense"].eq(name)], name, look)
        _draw_marks(axes, pair.points)
        _draw_levels(axes, pair)
        axes.set(xlim=pair.ranges[0], ylim=pair.ranges[1])
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return png(figure)


def draw_hypervolume(history: pd.DataFrame) -> bytes:
    """Return the hypervolume over trials as PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of("trial", "hypervolume (accuracy x mse x ssim)")
        marker = "o" if len(history) < 60 else ""
        axes.step(history["trial"], history["hypervolume"], where="post", marker=marker, markersize=4, color="#0072B2")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return png(figure)


def draw_curves(curves: Sequence[Curve]) -> bytes:
    """Return the attackers' validation error by step as PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of("optimiser steps of the attack", "mse on attacker-validation")
        for curve in curves:
            label = f"trial {curve.trial} {curve.job} ({curve.verdict})"
            line = LINES[curve.verdict]
            axes.plot(curve.steps, curve.values, color=curve.look.colour, linestyle=line, label=literal(label))
        _log_scale(axes)
        figure.legend(loc="outside lower left", ncols=2, fontsize=7)
        return png(figure)


def draw_repeats(repeats: Sequence[Repeat], looks: dict[str, Look]) -> bytes:
    """Return an attack's error by the number of releases of each image as PNG."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of("independent releases of each image, m", "mse (more is more private)")
        for repeat in repeats:
            look, label = looks[repeat.defense], literal(f"trial {repeat.trial} {repeat.defense}")
            line: Options = {"color": look.colour, "marker": look.matplotlib, "markersize": 5, "label": label}
            axes.plot(list(repeat.mse), list(repeat.mse.values()), **line)
        numbers = sorted({m for repeat in repeats for m in repeat.mse})
        axes.set_xscale("log")
        axes.set_xticks(numbers, [str(m) for m in numbers])
        axes.xaxis.set_minor_locator(NullLocator())
        _log_scale(axes)
        figure.legend(loc="outside lower left", ncols=3, fontsize=7)
        return png(figure)


def draw_levels(curves: Sequence[LevelCurve], looks: dict[str, Look]) -> bytes:
    """Return mse by the number of the attacker's images as PNG: members, which no line leads to, as a star."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of("images that the attacker fits on", "mse (more is more private)")
        seen = set[int]()
        for curve in curves:
            look, first = looks[curve.defense], curve.trial not in seen
            seen.add(curve.trial)
            points = [point for point in curve.points if point.images is not None]
            for kept in ([each for each in points if not each.members], [each for each in points if each.members]):
                x, y = [point.images or 0 for point in kept], [point.mse for point in kept]
                style: Options = {"color": look.colour, "marker": look.matplotlib, "markersize": 5 if first else 3}
                style |= {"linewidth": 1.6, "linestyle": "-"} if first else {"linewidth": 0.8, "linestyle": ":"}
                if kept and kept[0].members:
                    style |= {"marker": "*", "markersize": 9 if first else 5, "linestyle": "none"}
                elif first:
                    style["label"] = literal(f"trial {curve.trial} {curve.defense}")
                    axes.annotate(str(curve.trial), (x[-1], y[-1]), (6, -3), textcoords="offset points", fontsize=8)
                bars = [DEVIATIONS * (point.error or 0.0) for point in kept] if first else None
                axes.errorbar(x, y, yerr=bars, elinewidth=0.9, capsize=2, **style)
        numbers = sorted({point.images for curve in curves for point in curve.points if point.images is not None})
        axes.set_xscale("log")
        axes.set_xticks(numbers, [str(count) for count in numbers])
        axes.xaxis.set_minor_locator(NullLocator())
        _log_scale(axes)
        figure.legend(loc="outside lower left", ncols=3, fontsize=7)
        return png(figure)


def draw_galleries(galleries: Sequence[Gallery]) -> bytes:
    """Return originals over reconstructions, a row per trial: best, median and worst for the attacker, as PNG."""
    with matplotlib.rc_context({**STYLE, "figure.constrained_layout.h_pad": 0.04}):
        figure = Figure(figsize=(7, 1.35 * len(galleries) + 0.2), layout="constrained")
        grid = figure.subplots(len(galleries), 2 * len(RANKS), squeeze=False)
        for gallery, row in zip(galleries, grid, strict=True):
            _draw_gallery(gallery, list(row))
        return png(figure)


def _draw_gallery(gallery: Gallery, row: list[Axes]) -> None:
    for index, shown in enumerate(gallery.shown):
        titles = (f"{shown.rank}: original", f"mse {number(shown.mse, 'mse')}")
        for axes, image, title in zip(row[2 * index :], (shown.original, shown.reconstruction), titles, strict=False):
            axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
            axes.set_title(title, fontsize=7, pad=3)
            axes.set_xticks([])
            axes.set_yticks([])
    row[0].set_ylabel(literal(f"trial {gallery.trial}\n{gallery.defense[:24]}"), fontsize=8)


def axes_of(x: str, y: str) -> tuple[Figure, Axes]:
    """Return an empty figure of two axes with these titles."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#E4E6E9", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _log_scale(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_defense(axes: Axes, rows: pd.DataFrame, name: str, look: Look) -> None:
    axes.scatter([], [], marker=look.matplotlib, color=look.colour, s=45, label=literal(name))
    styles: dict[str, Options] = {
        "front": {"marker": look.matplotlib, "s": 70, "color": look.colour, "edgecolors": "white", "zorder": 3},
        "dominated": {"marker": look.matplotlib, "s": 34, "facecolors": "none", "edgecolors": look.colour},
        "infeasible": {"marker": "x", "s": 30, "color": look.colour},
    }
    for kind, group in rows.groupby("kind"):
        style = styles.get(str(kind), {"marker": "+", "s": 45, "color": look.colour})
        axes.scatter(group["x"], group["y"], **style)


def _draw_marks(axes: Axes, points: pd.DataFrame) -> None:
    anchors = points[points["undefended_anchor"]]
    if len(anchors):
        ring: Options = {"facecolors": "none", "edgecolors": QUIET, "s": 220}
        axes.scatter(anchors["x"], anchors["y"], label="undefended anchor", **ring)
    for row in points.itertuples():
        if row.label:
            axes.annotate(row.label, (row.x, row.y), (5, 5), textcoords="offset points", fontsize=8)
        if row.limited:
            axes.annotate("↓", (row.x, row.y), (0, -7), textcoords="offset points", ha="center", va="top")


def _draw_levels(axes: Axes, pair: Pair) -> None:
    line: Options = {"color": QUIET, "linewidth": 1, "linestyle": ":", "zorder": 0}
    text: Options = {"fontsize": 7.5, "color": "#555555", "textcoords": "offset points"}
    sides: Options
    for level in pair.levels:
        along_x = level.objective == pair.x
        if not level.inside:
            left = along_x == (pair.x == "accuracy")
            place, shift = (0 if left else 1, 0 if along_x else 1), (4 if left else -4, 4 if along_x else -4)
            sides = {"ha": "left" if left else "right", "va": "bottom" if along_x else "top"}
            words = f"{level.text}, off the chart"
            axes.annotate(words, place, shift, xycoords="axes fraction", **sides, **text)
        elif along_x:
            axes.axvline(level.value, **line)
            right = pair.in_right_half(level.value)
            sides = {"ha": "right" if right else "left", "xycoords": ("data", "axes fraction")}
            axes.annotate(level.text, (level.value, 0.01), (-3 if right else 3, 0), **sides, **text)
        else:
            axes.axhline(level.value, **line)
            axes.annotate(level.text, (0.01, level.value), (0, 3), xycoords=("axes fraction", "data"), **text)


def _columns(vertices: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in vertices], [y for _, y in vertices]


def literal(text: str) -> str:
    """Return text that matplotlib neither reads as mathematics nor hides from the legend."""
    shown = text.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def encode(image: NDArray[np.uint8]) -> bytes:
    """Return an image, ``(3, H, W)`` uint8, as PNG."""
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.ascontiguousarray(image.transpose(1, 2, 0)), format="png", metadata={})
    return buffer.getvalue()
