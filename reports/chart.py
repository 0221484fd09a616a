"""What a figure shows, as a value: the page draws it by plotly, papers by matplotlib."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reports.points import Look

QUIET = "#7A828C"
"""A grey that is legible on white and on black."""

PLAIN = Look("#0072B2", "circle", "o")

Dash = Literal["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]

Ends = tuple[Sequence[float], Sequence[float]]
"""The low and the high ends of intervals, one of each for every point."""


class Axis(NamedTuple):
    """An axis of numbers or, with ``names``, of rows."""

    title: str
    range: tuple[float, float] | None = None
    """From left to right, or from bottom to top; null to show all there is."""
    log: bool = False
    marked: tuple[float, ...] = ()
    """Numbers that are written beside the axis; by default the drawing chooses."""
    from_zero: bool = False
    names: tuple[str, ...] = ()
    """What stands at 0, 1, 2, ... in place of these numbers."""


class Series(NamedTuple):
    """Points that belong together."""

    x: Sequence[float]
    y: Sequence[float]
    look: Look = PLAIN
    name: str | None = None
    """In the legend; null for none."""
    group: str | None = None
    """With what it is shown and hidden; a name that is its group is in the page's own legend, of the defenses."""
    marks: bool = True
    line: bool = False
    dash: Dash = "solid"
    steps: bool = False
    """Whether the line keeps its height up to the next point."""
    width: float = 2.0
    size: float = 9.0
    """Of the marks, px."""
    filled: bool = True
    x_ends: Ends | None = None
    y_ends: Ends | None = None
    labels: Sequence[str] = ()
    """Written beside the points, one each; empty for none."""
    hover: Sequence[str] = ()
    """What a point says, one line each."""
    trials: Sequence[int] = ()
    """Whose points these are: they say what the page says of that trial."""


class Level(NamedTuple):
    """A line across the whole figure."""

    value: float
    text: str
    upright: bool
    """Whether it is a value of x."""


class Chart(NamedTuple):
    """A figure of two axes."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    height: int = 460
    """px, on the page."""

    def beyond(self, level: Level) -> bool:
        """Say whether an upright line lies right of all points: its words then stand left of it, within the figure."""
        return level.upright and level.value >= max((place for one in self.series for place in one.x), default=0.0)
