"""Which trials are near the front: too little behind it for one seed to tell.

References:
    Laumanns, Thiele, Deb, Zitzler, Combining convergence and diversity in evolutionary multiobjective optimization,
    2002 (epsilon-dominance).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from reports.dominance import DIRECTIONS, OBJECTIVES, Bools, Floats, beaten, non_dominated

MARGIN: Mapping[str, float] = MappingProxyType({"accuracy": 0.01, "mse": 0.05, "ssim": 0.02})
"""By how much a trial must be beaten in every objective to be far from the front: of mse as a share of its own."""


def near_front(points: Floats, margin: Mapping[str, float] = MARGIN) -> Bools:
    """Return which points nothing beats by more than the margin in every objective; the front is among them.

    Args:
        points: Finite values in the order of ``OBJECTIVES``, ``(n, 3)``.
        margin: By objective.
    """
    signs = np.array([DIRECTIONS[name] for name in OBJECTIVES])
    best = points[non_dominated(points * signs)] * signs
    slack = np.array([margin[name] for name in OBJECTIVES]) * np.column_stack(
        [np.ones(len(points)), np.abs(points[:, 1]), np.ones(len(points))]
    )
    return np.asarray(~beaten(points * signs + slack, best))
