"""Standard errors over images of what a worst case rests on."""

from collections.abc import Mapping

import numpy
import pandas
from numpy.typing import NDArray

from harness.records import Objectives

Values = NDArray[numpy.float64]


def errors_of(objectives: Objectives, scores: Mapping[str, pandas.DataFrame]) -> dict[str, float]:
    """Return ``mse_se`` and ``ssim_se`` of the objectives, where the scores that they rest on are there."""
    found = {}
    for name, job, base in (
        ("mse", objectives.mse_attack, objectives.mse_base),
        ("ssim", objectives.ssim_attack, objectives.ssim_base),
    ):
        jobs = [job, *([base] if base else [])]
        if all(each in scores and len(scores[each]) > 1 for each in jobs):
            found[f"{name}_se"] = _error_of_decision(name, *(scores[each] for each in jobs))
    return found


def _error_of_decision(name: str, own: pandas.DataFrame, base: pandas.DataFrame | None = None) -> float:
    if base is None:
        return standard_error(own[name].to_numpy(dtype=float))
    first, of_base = (of_first(each, name).to_numpy(dtype=float) for each in (own, base))
    return standard_error(first, of_base, base[name].to_numpy(dtype=float))


def standard_error(own: Values, base: Values | None = None, base_means: Values | None = None) -> float:
    """Return the standard error of a mean, or of a difference estimate: the base's mean plus the paired difference.

    Images are the clusters: what an image's releases have in common counts once.

    Args:
        own: The deciding attack's score of each image that it has, ``(n,)``, n at least 2; if there is a base, of the
            first release, which both see.
        base: The base's of all images, ``(N,)``, the first n of them the same, likewise; null if the deciding attack
            stands alone.
        base_means: The base's mean over all releases of an image, ``(N,)``; null for one release.
    """
    if base is None:
        return float(own.std(ddof=1) / len(own) ** 0.5)
    means = base if base_means is None else base_means
    count, total = len(own), len(base)
    common = means[:count] / total + (own - base[:count]) / count  # what each image that both have adds to the estimate
    return float((count * common.var(ddof=1) + (total - count) * means.var(ddof=1) / total**2) ** 0.5)


def of_first(scores: pandas.DataFrame, name: str) -> "pandas.Series[float]":
    """Return a score of each image's first release; of an attack that has but one, its score."""
    found: pandas.Series[float] = scores.get(f"{name}_first", scores.get(name, pandas.Series(dtype=float)))
    return found
