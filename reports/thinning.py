"""Which points of a crowd a figure draws, so that the eye cannot tell them from all."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.dominance import Bools, Floats

WIDTH, HEIGHT = 1000, 400
"""Of a figure on a wide screen, px."""

CELL = 3.0
"""px; a mark is 8 to 14 wide."""


SPAN = 1 << 20
"""More than a figure has cells along one side."""


class Thinned(NamedTuple):
    """What is drawn of points."""

    kept: Bools
    """``(n,)``."""
    within: float
    """Whatever is left out is so near to a point of its group that is drawn, px; 0 where all are."""


def thinned(shares: Floats, groups: NDArray[np.int64], most: int) -> Thinned:
    """Return the first point of each group in every cell of a grid, as fine as leaves no more than ``most`` points.

    Args:
        shares: Where the points are, as shares of the figure's width and height, ``(n, 2)``.
        groups: What they look like, ``(n,)``.
        most: Points up to which all are drawn.
    """
    drawn, cell = np.arange(len(shares)), 0.0
    while len(drawn) > most:
        cell *= max(1.1, 0.9 * math.sqrt(len(drawn) / most))
        cell = max(cell, CELL)
        across, up = np.floor(shares * [WIDTH, HEIGHT] / cell).astype(np.int64).T
        drawn = np.unique((groups * SPAN + across) * SPAN + up, return_index=True)[1]
    kept = np.zeros(len(shares), dtype=bool)
    kept[drawn] = True
    return Thinned(kept, math.sqrt(2) * cell)
