"""Which points no other point dominates: numbers in, masks out."""

from bisect import bisect_left

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
    count, width = points.shape
    # the last column decides ties of those before it: of two points only the earlier may dominate
    order = np.lexsort(-points.T[::-1]) if width else np.arange(count)
    ordered = points[order]
    kept = np.zeros(count, dtype=bool)
    kept[order] = _swept(np.pad(ordered, ((0, 0), (0, 3 - width)))) if width <= 3 else _eliminated(ordered)
    return kept


def _swept(ordered: Floats) -> Bools:
    """Return which of points in falling order, ``(n, 3)``, nothing dominates: over the first column, with the border of
    what is dominated in the other two, of which one rises and the other falls.
    """
    rising, falling = [np.inf], [-np.inf]
    kept, last = [], (np.nan, np.nan, np.nan)
    for point in zip(*ordered.T.tolist(), strict=True):
        if point != last:
            last, (_, y, z) = point, point
            place = bisect_left(rising, y)
            stands = falling[place] < z
            if stands:
                first = place
                while first and falling[first - 1] <= z:
                    first -= 1
                # of an equal y the place is that of the point itself
                after = place + (rising[place] == y)
                rising[first:after], falling[first:after] = [y], [z]
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
