"""The mean of several fronts, as a front: the points that so many of them attain that the volume is the mean volume.

References:
    Binois, Ginsbourger, Roustant, Quantifying uncertainty on Pareto fronts with Gaussian process conditional
    simulations, 2015 (Vorob'ev expectation and deviation).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reports.dominance import Floats
from reports.statistics.attainment import attained
from reports.statistics.volumes import volume


class Expectation(NamedTuple):
    """The Vorob'ev expectation of fronts."""

    points: Floats
    """Turned so that more is better, none dominates another, ``(n, 3)``."""
    threshold: float
    """Share of the fronts that attain it, in (0, 1]."""
    mean_volume: float
    """Mean hypervolume of the fronts."""
    deviation: float
    """Mean volume by which a front and the expectation differ, in either direction."""


def expectation(fronts: Sequence[Floats], reference: Mapping[str, float]) -> Expectation:
    """Return the expectation: of the levels whose volume is at least the mean volume, the one that most attain.

    Args:
        fronts: Points turned so that more is better, ``(n_i, 3)``, at least one front.
        reference: The worst values that count, by objective.
    """
    own = np.array([volume(front, reference) for front in fronts])
    mean = float(own.mean())
    chosen, level = attained(fronts, 1), 1
    for further in range(2, len(fronts) + 1):
        points = attained(fronts, further)
        if volume(points, reference) < mean * (1 - 1e-12):
            break
        chosen, level = points, further
    both = np.array([volume(np.concatenate([front, chosen]), reference) for front in fronts])
    differing = 2 * both - own - volume(chosen, reference)
    return Expectation(chosen, level / len(fronts), mean, float(differing.mean()))
