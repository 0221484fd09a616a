"""The drawings of pages without scripts as PNG and PDF for papers: planes of points, critical-difference diagrams."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from reports.files import write_whole
from reports.pictures import FORMS, STYLE, Options, axes_of, literal, saved
from reports.points import AXES, COLOURS
from reports.svg import WIDTH, Diagram, Plane

INCHES = 6.4
"""Wide, as the other figures are."""


def plane_picture(drawn: Plane, names: Sequence[tuple[str, int]]) -> Figure:
    """Return points in a plane, each kind in its colour.

    Args:
        drawn: The plane.
        names: Of the kinds, with their colours.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = axes_of(AXES[drawn.x_name], AXES[drawn.y_name])
        for colour, corners in drawn.corners:
            axes.plot(*zip(*corners, strict=True), color=COLOURS[colour % len(COLOURS)], linewidth=1)
        for name, colour in names:
            ink = COLOURS[colour % len(COLOURS)]
            axes.plot([], [], "o", color=ink, label=literal(name))
            for dot in (one.dot for one in drawn.dots if one.dot.colour == colour):
                style: Options = {"fmt": "o", "color": ink, "markersize": 4.5, "elinewidth": 0.8}
                style |= {"xerr": _bar(dot.x, dot.x_ends), "yerr": _bar(dot.y, dot.y_ends)}
                axes.errorbar(dot.x, dot.y, **style, markerfacecolor=ink if dot.filled else "none")
        for axis, name in ((axes.xaxis, drawn.x_name), (axes.yaxis, drawn.y_name)):
            axis.set_inverted(name == "ssim")
        figure.legend(loc="outside upper left", ncols=4, fontsize=8)
        return figure


def _bar(middle: float, ends: tuple[float, float] | None) -> list[list[float]] | None:
    return None if ends is None else [[max(0.0, middle - ends[0])], [max(0.0, ends[1] - middle)]]


def ranks_picture(found: Diagram) -> Figure:
    """Return a critical-difference diagram."""
    with matplotlib.rc_context(STYLE):
        height = found.height + 8
        figure = Figure(figsize=(INCHES, INCHES * height / WIDTH))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        lines: list[tuple[list[float], list[float], float]] = [
            ([found.ticks[0].at, found.ticks[-1].at], [found.axis, found.axis], 0.8),
            *[([tick.at, tick.at], [found.axis - 4, found.axis], 0.8) for tick in found.ticks],
            *[([bar.start, bar.end], [bar.row, bar.row], 2.4) for bar in found.bars],
            *[([one.at, one.at, _edge(one.left)], [found.axis, one.row, one.row], 0.6) for one in found.ranked],
        ]
        if found.critical:
            start, end = found.critical
            lines += [([start, end], [22.0, 22.0], 0.8), *[([at, at], [18.0, 26.0], 0.8) for at in found.critical]]
            axes.text(start, 14, "critical difference", fontsize=8)
        for x, y, width in lines:
            axes.plot(x, y, color="#444444", linewidth=width, solid_capstyle="round")
        for tick in found.ticks:
            axes.text(tick.at, found.axis - 7, tick.text, ha="center", fontsize=8)
        for one in found.ranked:
            side: Options = {"ha": "right" if one.left else "left", "va": "center", "fontsize": 9}
            axes.text(_edge(one.left) + (-4 if one.left else 4), one.row, f"{literal(one.name)} {one.mean:.2f}", **side)
        return figure


def _edge(left: bool) -> float:
    """Return where the names begin."""
    return 140.0 if left else WIDTH - 140.0


def write_drawings(figures: Mapping[str, Figure], out: Path, known: Sequence[str]) -> None:
    """Write each figure as PNG and PDF, whole, and remove those of an earlier page that this one has not.

    Args:
        figures: By the names of their files.
        out: The folder.
        known: Patterns of names that are this page's.
    """
    for name, figure in figures.items():
        for form, content in saved(figure).items():
            write_whole(out / f"{name}.{form}", content)
    for pattern in known:
        for form in FORMS:
            for path in out.glob(f"{pattern}.{form}"):
                if path.stem not in figures:
                    path.unlink()
