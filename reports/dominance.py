"""Which points no other point dominates: numbers in, masks out."""

from bisect import bisect_left, bisect_right
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = {"accuracy": 1.0, "mse": 1.0, "ssim": -1.0}
"""+1 where more is better, -1 where less is: accuracy up; of the worst attack, mse up and ssim down."""

OBJECTIVES = tuple(DIRECTIONS)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def non_dominated(points: Floats) -> Bools:
    """Return which points no other point dominates; assumes maximisation of every column.

    Up to three columns take O(n log n), more O(n m) with m points that nothing dominates.

    Args:
        points: Finite values, ``(n, k)``.

    Returns:
        A mask, ``(n,)``; equal points share their fate.
    """
    return np.frombuffer(_standing(points.astype(np.float64).tobytes(), *points.shape), dtype=bool).copy()


@lru_cache(maxsize=16)  # many cards of a page ask for the same front
def _standing(content: bytes, count: int, width: int) -> bytes:
    points = np.frombuffer(content, dtype=np.float64).reshape(count, width)
    # the last column decides ties of those before it: of two points only the earlier may dominate
    order = np.lexsort(-points.T[::-1]) if width else np.arange(count)
    ordered = points[order]
    kept = np.zeros(count, dtype=bool)
    kept[order] = _swept(np.pad(ordered, ((0, 0), (0, 3 - width)))) if width <= 3 else _eliminated(ordered)
    return kept.tobytes()


def beaten(points: Floats, others: Floats) -> Bools:
    """Return which points one of the others exceeds in every column, in O((n + m) log m).

    Args:
        points: Finite values, ``(n, 3)``.
        others: Likewise, ``(m, 3)``.
    """
    border, found = Border(), np.zeros(len(points), dtype=bool)
    waiting = others[np.argsort(others[:, 0])].tolist()
    for index in np.argsort(-points[:, 0]):
        x, y, z = points[index].tolist()
        while waiting and waiting[-1][0] > x:
            border.add(*waiting.pop()[1:])
        found[index] = border.beyond(y) > z
    return found


class Border:
    """The border of what points dominate in a plane: its corners, of which y rises and z falls."""

    def __init__(self, low: float = -np.inf) -> None:
        """Begin with no point; what is dominated begins at ``low`` in both coordinates."""
        self.rising, self.falling = [low, np.inf], [np.inf, low]

    def add(self, y: float, z: float) -> float:
        """Return the area that a point adds to what is dominated, 0 if it is dominated; in O(log n), amortised."""
        place = bisect_left(self.rising, y)
        # of an equal y the corner is replaced
        after, right, gained = place + (self.rising[place] == y), y, 0.0
        while self.falling[place] < z:
            left = self.rising[place - 1]
            gained += (right - left) * (z - self.falling[place])
            right, place = left, place - 1
        if gained:
            self.rising[place + 1 : after], self.falling[place + 1 : after] = [y], [z]
        return gained

    def beyond(self, y: float) -> float:
        """Return the greatest z of the points of a greater y."""
        return self.falling[bisect_right(self.rising, y)]


def _swept(ordered: Floats) -> Bools:
    """Return which of points in falling order, ``(n, 3)``, nothing dominates: over the first column, with the border of
    what is dominated in the other two.
    """
    border, kept, last = Border(), [], (np.nan, np.nan, np.nan)
    stands = False
    for point in zip(*ordered.T.tolist(), strict=True):
        if point != last:
            last, stands = point, border.add(*point[1:]) > 0
        kept.append(stands)
    return np.array(kept, dtype=bool)


def _eliminated(ordered: Floats) -> Bools:
    """Return the same of points of any number of columns: each that stands takes out what it dominates."""
    kept = np.zeros(len(ordered), dtype=bool)
    candidates = np.arange(len(ordered))
    while candidates.size:
        head = ordered[candidates[0]]
        kept[candidates] |= (ordered[candidates] == head).all(axis=1)
        candidates = candidates[(ordered[candidates] > head).any(axis=1)]
    return kept


def joined(front: Floats, point: Floats) -> Bools | None:
    """Return which members of a front remain beside a new point; null if one of them dominates it.

    Args:
        front: Finite values of points none of which dominates another, ``(n, 3)``, in the order of ``OBJECTIVES``.
        point: Those of the new one, ``(3,)``; equal to a member, it stands beside it.
    """
    signs = np.array([DIRECTIONS[name] for name in OBJECTIVES])
    others, new = front * signs, point * signs
    if ((others >= new).all(axis=1) & (others > new).any(axis=1)).any():
        return None
    return np.asarray(~((others <= new).all(axis=1) & (others < new).any(axis=1)))
