"""One legend for all figures: how each defense is drawn."""

from collections.abc import Collection, Mapping
from html import escape
from typing import NamedTuple

from reports.points import Look

SHAPES = {
    "circle": "M10 5A5 5 0 1 1 0 5A5 5 0 1 1 10 5Z",
    "square": "M.5 .5H9.5V9.5H.5Z",
    "diamond": "M5 0L10 5L5 10L0 5Z",
    "triangle-up": "M5 .5L10 9.5H0Z",
    "triangle-down": "M5 9.5L10 .5H0Z",
    "pentagon": "M5 0L10 3.8L8.1 9.6H1.9L0 3.8Z",
    "hexagon": "M2.3 .5H7.7L10 5L7.7 9.5H2.3L0 5Z",
    "star": "M5 0L6.4 3.5L10 3.8L7.2 6.2L8.1 10L5 8L1.9 10L2.8 6.2L0 3.8L3.6 3.5Z",
    "cross": "M3.3 0H6.7V3.3H10V6.7H6.7V10H3.3V6.7H0V3.3H3.3Z",
}
"""Paths in a square of ten by ten, by plotly's names of the symbols."""


class Entry(NamedTuple):
    """A defense in the legend."""

    name: str
    group: str
    """As figures spell it: escaped, since plotly reads markup."""
    colour: str
    shape: str


def legend(looks: Mapping[str, Look], present: Collection[str]) -> list[Entry]:
    """Return the defenses that some trial has, in order.

    Args:
        looks: How each is drawn.
        present: Those of the study's trials.
    """
    return [
        Entry(name, escape(name), look.colour, SHAPES[look.plotly]) for name, look in looks.items() if name in present
    ]
