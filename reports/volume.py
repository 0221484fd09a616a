"""How much of the space points dominate together, and how much each adds to those before it.

References:
    N. Beume, C. M. Fonseca, M. López-Ibáñez, L. Paquete, J. Vahrenhold, "On the Complexity of Computing the
    Hypervolume Indicator", 2009 (dimension sweep).
"""

import numpy as np

from reports.dominance import Bools, Border, Floats

BLOCK = 512
"""Boxes that are held against the others at once."""

FIRST = 64
"""Of the others, the largest, which hold most boxes already."""


def volume(sides: Floats) -> float:
    """Return the volume of the union of boxes that have a corner in common, in O(n log n).

    Args:
        sides: The boxes' lengths, > 0, ``(n, 3)``.
    """
    border, total, area, above = Border(0.0), 0.0, 0.0, 0.0
    for x, y, z in sides[np.argsort(-sides[:, 2], kind="stable")].tolist():
        total += area * (above - z)
        area += border.add(x, y)
        above = z
    return total + area * above


def gains(sides: Floats) -> Floats:
    """Return the volume that each box adds to the union of those before it, ``(n,)``.

    Takes O(m) for each of n boxes, with m of those before it that nothing dominates.

    Args:
        sides: The boxes' lengths, > 0, ``(n, 3)``.
    """
    found, front = np.zeros(len(sides)), np.empty((3, 0))
    for start in range(0, len(sides), BLOCK):
        block = sides[start : start + BLOCK].T
        outside = np.flatnonzero(~_within(block, front[:, :FIRST]))
        for index in outside[~_within(block[:, outside], front)]:
            box = block[:, index]
            x, y, z = front >= box[:, None]
            if not (x & y & z).any():
                found[start + index] = _added(box, front)
                x, y, z = front > box[:, None]
                front = np.column_stack([front[:, x | y | z], box])
        front = front[:, np.argsort(-front.prod(axis=0), kind="stable")]
    return found


def _within(boxes: Floats, front: Floats) -> Bools:
    """Return which boxes, ``(3, k)``, lie within one of the front, ``(3, m)``."""
    inside = np.ones((boxes.shape[1], front.shape[1]), dtype=bool)
    for own, others in zip(boxes, front, strict=True):
        inside &= own[:, None] <= others
    return np.asarray(inside.any(axis=1))


def _added(box: Floats, front: Floats) -> float:
    """Return the volume of a box, ``(3,)``, outside a front, ``(3, m)``: none of it is below the corner up to which the
    front covers the box along each axis, and few boxes of the front reach beyond that.
    """
    x, y, z = front >= box[:, None]
    covered = (y & z, x & z, x & y)
    low = np.array([own[both].max(initial=0.0) for own, both in zip(front, covered, strict=True)])
    x, y, z = front > low[:, None]
    near = front[:, x & y & z]
    return float(np.prod(box - low)) - volume((np.minimum(near, box[:, None]) - low[:, None]).T)
