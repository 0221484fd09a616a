"""The figures of a report as PNG and PDF files, for papers and slides."""

import io
from collections.abc import Collection, Sequence
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from reports.chart import QUIET, Chart, Ends, Series
from reports.chart import Axis as ChartAxis
from reports.points import AXES, Look, Pair

Options = dict[str, Any]
"""Keywords of a drawing function, whose types matplotlib keeps apart by call."""

STYLE: dict[RcKeyType, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "legend.frameon": False,
    "svg.hashsalt": "invfront",
    "pdf.fonttype": 42,  # TrueType, which publishers take: Type 3 they refuse
}
"""A figure is 6.4 inches wide, the text of a paper in one column; its letters are of 9 points, those of notes and of
the legend of 7 to 8."""
DASHES: dict[str, Any] = {
    "solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3)), "longdashdot": (0, (8, 2, 1, 2)),
}  # fmt: skip

FORMS = {"png": ("Software",), "pdf": ("CreationDate", "Creator", "Producer")}
"""Endings of a figure's files, and what else would stand in them of the time and the package."""

DPI = 160

LEVEL_LINE: Options = {"color": QUIET, "linewidth": 1, "linestyle": ":", "zorder": 0}
LEVEL_TEXT: Options = {"fontsize": 7.5, "color": "#555555", "textcoords": "offset points"}


def draw_pair(pair: Pair, looks: dict[str, Look]) -> Figure:
    """Return the front of two objectives."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(AXES[pair.x], AXES[pair.y])
        axes.plot(*_columns(pair.staircase), color=QUIET, linewidth=1.2, label="front of this pair", zorder=1)
        for name, look in looks.items():
            _draw_defense(axes, pair.points[pair.points["defense"].eq(name)], name, look)
        _draw_marks(axes, pair.points)
        _draw_levels(axes, pair)
        axes.set(xlim=pair.ranges[0], ylim=pair.ranges[1])
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return figure


def draw_defenses(pair: Pair, looks: dict[str, Look], staircases: dict[str, list[tuple[float, float]]]) -> Figure:
    """Return one front per defense, each among that defense's own trials."""
    eligible = pair.points[pair.points["kind"].isin(["front", "dominated"])]
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(AXES[pair.x], AXES[pair.y])
        for name, look in looks.items():
            rows = eligible[eligible["defense"].eq(name)]
            if len(rows):
                axes.plot(*_columns(staircases[name]), color=look.colour, linewidth=1)
                axes.scatter(rows["x"], rows["y"], marker=look.matplotlib, color=look.colour, s=30, label=literal(name))
        axes.set(xlim=pair.ranges[0], ylim=pair.ranges[1])
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return figure


def draw(chart: Chart) -> Figure:
    """Return a chart."""
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(chart.x.title, chart.y.title, chart.height / 460)
        for series in chart.series:
            _draw_series(axes, series)
        for level in chart.levels:
            (axes.axvline if level.upright else axes.axhline)(level.value, **LEVEL_LINE)
            place: Any = (level.value, 0.01) if level.upright else (0.01, level.value)
            coordinates: Any = ("data", "axes fraction") if level.upright else ("axes fraction", "data")
            left = chart.beyond(level)
            side: Options = {"ha": "right" if left else "left", "xycoords": coordinates}
            axes.annotate(literal(level.text), place, (-3 if left else 3, 3), **side, **LEVEL_TEXT)
        _scale(axes.xaxis, chart.x)
        _scale(axes.yaxis, chart.y)
        named = sum(series.name is not None for series in chart.series)
        if named:
            figure.legend(loc="outside lower left", ncols=2 if named > 8 else 3, fontsize=7)
        return figure


def _draw_series(axes: Axes, series: Series) -> None:
    look, edge = series.look, "white" if series.filled else series.look.colour
    style: Options = {
        "color": look.colour,
        "linestyle": DASHES[series.dash] if series.line else "none",
        "linewidth": 0.75 * series.width,
        "marker": look.matplotlib if series.marks else "",
        "markersize": 0.6 * series.size,
        "markerfacecolor": look.colour if series.filled else "none",
        "markeredgecolor": edge,
        "markeredgewidth": 0.8,
        "drawstyle": "steps-post" if series.steps else "default",
        "label": literal(series.name or "") if series.name is not None else "_none",
    }
    xerr, yerr = _bars(series.x, series.x_ends), _bars(series.y, series.y_ends)
    axes.errorbar(series.x, series.y, xerr=xerr, yerr=yerr, elinewidth=0.9, capsize=2, **style)
    for x, y, text in zip(series.x, series.y, series.labels, strict=False):
        axes.annotate(literal(text), (x, y), (4, 4), textcoords="offset points", fontsize=8)


def _bars(values: Sequence[float], ends: Ends | None) -> NDArray[np.float64] | None:
    if ends is None:
        return None
    middle, (low, high) = np.asarray(values, dtype=float), (np.asarray(end, dtype=float) for end in ends)
    lengths: NDArray[np.float64] = np.maximum(np.nan_to_num(np.stack([middle - low, high - middle])), 0)
    return lengths


def _scale(drawn: XAxis | YAxis, axis: ChartAxis) -> None:
    """Give an axis its scale, its ends and its ticks."""
    upright = isinstance(drawn, YAxis)
    axes = drawn.axes
    if axis.log:
        (axes.set_yscale if upright else axes.set_xscale)("log")
        drawn.set_major_locator(LogLocator(subs=(1, 2, 5)))
        drawn.set_major_formatter("{x:g}")
        drawn.set_minor_formatter(NullFormatter())
    ticks = axis.marked or range(len(axis.names))
    if axis.marked or axis.names:
        drawn.set_ticks([*ticks], [literal(name) for name in axis.names] or [f"{value:g}" for value in axis.marked])
        drawn.set_minor_locator(NullLocator())
    ends: Any = (len(axis.names) - 0.5, -0.5) if axis.names and upright else axis.range
    if ends:
        (axes.set_ylim if upright else axes.set_xlim)(*ends)
    elif axis.from_zero:
        (axes.set_ylim if upright else axes.set_xlim)(0)


def axes_of(x: str, y: str, height: float = 1.0) -> tuple[Figure, Axes]:
    """Return an empty figure of two axes with these titles, so many times as high as others."""
    figure = Figure(figsize=(6.4, 4.4 * height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#E4E6E9", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


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
    for row in points[points["label"].ne("")].itertuples():
        axes.annotate(row.label, (row.x, row.y), (5, 5), textcoords="offset points", fontsize=8)
    weak = points[points["limited"] & points["kind"].eq("front")]
    below = axes.transData + ScaledTranslation(0, -11 / 72, axes.figure.dpi_scale_trans)
    style: Options = {"linestyle": "none", "marker": r"$\downarrow$", "color": "black", "markersize": 5}
    axes.plot(weak["x"], weak["y"], markeredgewidth=0.3, transform=below, **style)


def _draw_levels(axes: Axes, pair: Pair) -> None:
    sides: Options
    for level in pair.levels:
        along_x = level.objective == pair.x
        if not level.inside:
            left = along_x == (pair.x == "accuracy")
            place, shift = (0 if left else 1, 0 if along_x else 1), (4 if left else -4, 4 if along_x else -4)
            sides = {"ha": "left" if left else "right", "va": "bottom" if along_x else "top"}
            words = f"{level.text}, off the chart"
            axes.annotate(words, place, shift, xycoords="axes fraction", **sides, **LEVEL_TEXT)
        elif along_x:
            axes.axvline(level.value, **LEVEL_LINE)
            right = pair.in_right_half(level.value)
            sides = {"ha": "right" if right else "left", "xycoords": ("data", "axes fraction")}
            axes.annotate(level.text, (level.value, 0.01), (-3 if right else 3, 0), **sides, **LEVEL_TEXT)
        else:
            axes.axhline(level.value, **LEVEL_LINE)
            axes.annotate(level.text, (0.01, level.value), (0, 3), xycoords=("axes fraction", "data"), **LEVEL_TEXT)


def _columns(vertices: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in vertices], [y for _, y in vertices]


def literal(text: str) -> str:
    """Return text that matplotlib neither reads as mathematics nor hides from the legend."""
    shown = text.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def saved(figure: Figure, forms: Collection[str] = tuple(FORMS)) -> dict[str, bytes]:
    """Return a figure in some of ``FORMS``, the same bytes whenever it is drawn."""
    found = {}
    with matplotlib.rc_context(STYLE):
        for form in forms:
            found[form] = _saved(figure, form)
            figure.set_layout_engine("none")  # it stays as it was laid out, which takes as long as drawing it
    return found


def _saved(figure: Figure, form: str) -> bytes:
    """Return a figure that is drawn once; ``savefig`` would go through all of it before."""
    buffer, figure.dpi = io.BytesIO(), DPI  # a PDF leaves its own behind
    canvas: Any = FigureCanvasPdf(figure) if form == "pdf" else FigureCanvasAgg(figure)
    write = canvas.print_pdf if form == "pdf" else canvas.print_png
    write(buffer, metadata=dict.fromkeys(FORMS[form]))
    return buffer.getvalue()


def encode(image: NDArray[np.uint8]) -> bytes:
    """Return an image, ``(3, H, W)`` uint8, as PNG."""
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.ascontiguousarray(image.transpose(1, 2, 0)), format="png", metadata={})
    return buffer.getvalue()
