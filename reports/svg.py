"""Where things stand in a small drawing that needs no script: points in a plane, and a critical-difference diagram.

Coordinates are in units of the drawing, ``WIDTH`` wide, y downwards; `templates/drawn.html.j2` makes SVG of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.formats import number
from reports.statistics import Ranks

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 28, 42
"""Room around a plane for its axes."""

TICKS = 5
"""About as many on each axis."""

COLOURS = 7
"""There are, in `templates/drawn.css`; what is beyond takes them again."""

LINE = 18
"""Between two names of a critical-difference diagram."""


class Dot(NamedTuple):
    """A point to be drawn."""

    x: float
    y: float
    text: str
    """What is told of it where a pointer rests on it."""
    colour: int = 0
    filled: bool = True
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    """Of its intervals; null for none."""


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Drawn(NamedTuple):
    """A point where it stands."""

    x: float
    y: float
    dot: Dot
    across: tuple[float, float] | None
    upright: tuple[float, float] | None
    """Where the ends of its intervals stand; null for none."""


class Plane(NamedTuple):
    """Points with their axes."""

    dots: list[Drawn]
    lines: list[tuple[int, str]]
    """Colour and corners of each polyline."""
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_name: str
    y_name: str
    corners: list[tuple[int, Sequence[tuple[float, float]]]]
    """Colour and corners of each polyline, in the units of the points."""
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM
    """Where its axes stand."""


class Ranked(NamedTuple):
    """A defense on the axis of ranks."""

    name: str
    mean: float
    at: float
    row: float
    """Where its name stands."""
    left: bool
    """Whether its name stands on the left."""


class Bar(NamedTuple):
    """Defenses that nobody can tell apart."""

    start: float
    end: float
    row: float


class Diagram(NamedTuple):
    """A critical-difference diagram."""

    ranked: list[Ranked]
    bars: list[Bar]
    ticks: list[Tick]
    critical: tuple[float, float] | None
    """Ends of the bar as long as the critical difference; null if there is none."""
    axis: float
    height: float


def plane(
    dots: Sequence[Dot], x_name: str, y_name: str, lines: Sequence[tuple[int, Sequence[tuple[float, float]]]] = ()
) -> Plane:
    """Return points and lines in a plane.

    Args:
        dots: The points, finite; at least one.
        x_name: Of the axis; ``ssim`` has its axis reversed, so that the upper right is better.
        y_name: Likewise.
        lines: Colour and corners of each, in the units of the points.
    """
    across = _axis([value for dot in dots for value in (dot.x, *(dot.x_ends or ()))], LEFT, WIDTH - RIGHT, x_name)
    upright = _axis([value for dot in dots for value in (dot.y, *(dot.y_ends or ()))], HEIGHT - BOTTOM, TOP, y_name)
    return Plane(
        [
            Drawn(
                across.at(dot.x),
                upright.at(dot.y),
                dot,
                (across.at(dot.x_ends[0]), across.at(dot.x_ends[1])) if dot.x_ends else None,
                (upright.at(dot.y_ends[0]), upright.at(dot.y_ends[1])) if dot.y_ends else None,
            )
            for dot in dots
        ],
        [
            (colour, " ".join(f"{across.at(x):.1f},{upright.at(y):.1f}" for x, y in corners))
            for colour, corners in lines
        ],
        across.ticks(),
        upright.ticks(),
        x_name,
        y_name,
        [*lines],
    )


def diagram(found: Ranks) -> Diagram:
    """Return mean ranks on an axis, the best on the left, names below it, and bars over what nobody can tell apart."""
    count = len(found.mean)
    start, end, axis = 150.0, WIDTH - 150.0, 52.0

    def at(rank: float) -> float:
        return start + (rank - 1) / max(count - 1, 1) * (end - start)

    bars = [
        Bar(at(float(found.mean[group[0]])) - 4, at(float(found.mean[group[-1]])) + 4, axis + 9 + 7 * row)
        for row, group in enumerate(found.groups)
    ]
    below = axis + 22 + 7 * len(bars)
    half = (count + 1) // 2
    ranked = [
        Ranked(str(name), float(mean), at(float(mean)), below + LINE * (i if i < half else count - 1 - i), i < half)
        for i, (name, mean) in enumerate(found.mean.items())
    ]
    critical = (start, at(1 + found.critical_difference)) if np.isfinite(found.critical_difference) else None
    ticks = [Tick(at(rank), str(rank)) for rank in range(1, count + 1)]
    return Diagram(ranked, bars, ticks, critical, axis, below + LINE * half)


class _Axis(NamedTuple):
    low: float
    high: float
    start: float
    end: float
    name: str

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        share = 1 - share if self.name == "ssim" else share
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> list[Tick]:
        step = 10.0 ** np.floor(np.log10((self.high - self.low) / TICKS))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (factor * step) <= TICKS + 1)
        values = np.arange(np.ceil(self.low / step), np.floor(self.high / step) + 1) * step
        return [Tick(self.at(float(value)), number(float(f"{value:.6g}"))) for value in values]


def _axis(values: Sequence[float], start: float, end: float, name: str) -> _Axis:
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.06 or 0.06
    return _Axis(low - room, high + room, start, end, name)
