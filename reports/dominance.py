"""Which points no other point dominates: numbers in, masks out."""

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = {"accuracy": 1.0, "mse": 1.0, "ssim": -1.0}
"""+1 where more is better, -1 where less is: accuracy up; of the worst attack, mse up and ssim down."""

OBJECTIVES = tuple(DIRECTIONS)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def non_dominated(points: Floats) -> Bools:
    """Return which points no other point dominates; assumes maximisation of every column.

    Args:
        points: Finite values, ``(n, k)``.

    Returns:
        A mask, ``(n,)``; equal points share their fate.
    """
    unique, inverse = np.unique(points, axis=0, return_inverse=True)
    kept = np.zeros(len(unique), dtype=bool)
    # np.unique sorts lexicographically, so from its end on nothing is dominated by a point that comes after it
    candidates = np.arange(len(unique))[::-1]
    while candidates.size:
        head = candidates[0]
        kept[head] = True
        candidates = candidates[(unique[candidates] > unique[head]).any(axis=1)]
    return np.asarray(kept[inverse.reshape(-1)], dtype=bool)


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
