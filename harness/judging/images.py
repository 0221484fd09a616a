"""What the scores of single images say of a trial's attacks; each attack's file is opened once."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray

from harness.judging.oracle import Oracle, oracle
from harness.judging.trials import JudgedTrial
from harness.ledger.arrays import FIXED_IMAGES, scores_of
from harness.records import Objectives

Values = NDArray[numpy.float64]

SCORES = ("mse", "psnr", "ssim")


class PerImage(NamedTuple):
    """Of one trial; by attack job, without those whose scores are not there."""

    oracle: Oracle | None
    errors: dict[str, dict[str, float]]
    """Standard errors of the means over images and their releases, clustered by image, ``mse_se`` and ``ssim_se``."""
    decided: dict[str, float]
    """Those of the trial's objectives; a guess's are left out."""
    first: dict[str, NDArray[numpy.float64]]
    """Scores of the images whose reconstructions are kept, of the release that these are from, ``(n, 3)``, columns
    ``SCORES``."""


def per_image(trial: JudgedTrial) -> PerImage:
    """Return what the scores of a finished trial's images say."""
    found = {attack.job.name: scores_of(trial.path, attack) for attack in trial.attacks if attack.measured.scores}
    scores = {job: table for job, table in found.items() if table is not None}
    return PerImage(
        oracle=oracle(trial, scores),
        errors={job: _standard_errors(table) for job, table in scores.items() if len(table) > 1},
        decided=_decided(trial.objectives, scores) if trial.objectives else {},
        first={job: _of_kept(table) for job, table in scores.items()},
    )


def _decided(objectives: Objectives, scores: Mapping[str, pandas.DataFrame]) -> dict[str, float]:
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
    first, of_base = (_of_first(each, name).to_numpy(dtype=float) for each in (own, base))
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


def _of_first(scores: pandas.DataFrame, name: str) -> "pandas.Series[float]":
    """Return a score of each image's first release; of an attack that has but one, its score."""
    found: pandas.Series[float] = scores.get(f"{name}_first", scores.get(name, pandas.Series(dtype=float)))
    return found


def _of_kept(scores: pandas.DataFrame) -> Values:
    columns = {name: _of_first(scores, name) for name in SCORES}
    kept: Values = pandas.DataFrame(columns, index=scores.index).head(FIXED_IMAGES).to_numpy(dtype=float)
    return kept


def _standard_errors(scores: pandas.DataFrame) -> dict[str, float]:
    return {f"{name}_se": float(scores[name].std() / len(scores) ** 0.5) for name in ("mse", "ssim")}
