"""The hypervolume of each seed's front: one number a seed, so that whole studies or defenses can be compared.

References:
    Zitzler, Thiele, Multiobjective evolutionary algorithms: a comparative case study, 1999.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES, Floats
from reports.front import hypervolume
from reports.statistics.attainment import fronts_of


def volumes(runs: pd.DataFrame, reference: Mapping[str, float]) -> Floats:
    """Return the hypervolume of each seed that every candidate has, in the order of the seeds, ``(seeds,)``.

    Args:
        runs: ``trial, seed, accuracy, mse, ssim``.
        reference: The worst values that count, by objective.
    """
    return np.array([volume(points, reference) for points in fronts_of(runs)])


def volume(points: Floats, reference: Mapping[str, float]) -> float:
    """Return the hypervolume of points that are turned so that more is better, ``(n, 3)``."""
    signs = np.array([DIRECTIONS[name] for name in OBJECTIVES])
    return hypervolume(pd.DataFrame(points * signs, columns=[*OBJECTIVES]), reference)
