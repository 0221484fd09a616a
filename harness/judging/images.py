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
    """Standard errors of the means over images, ``mse_se`` and ``ssim_se``."""
    decided: dict[str, float]
    """Those of the trial's objectives; a guess's are left out."""
    first: dict[str, NDArray[numpy.float64]]
    """Scores of the images whose reconstructions are kept, ``(n, 3)``, columns ``SCORES``."""


def per_image(trial: JudgedTrial) -> PerImage:
    """Return what the scores of a finished trial's images say."""
    found = {attack.job.name: scores_of(trial.path, attack) for attack in trial.attacks if attack.measured.scores}
    scores = {job: table for job, table in found.items() if table is not None}
    return PerImage(
        oracle=oracle(trial, scores),
        errors={job: _standard_errors(table) for job, table in scores.items() if len(table) > 1},
        decided=_decided(trial.objectives, scores) if trial.objectives else {},
        first={
            job: table.reindex(columns=SCORES).head(FIXED_IMAGES).to_numpy(dtype=float) for job, table in scores.items()
        },
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
            found[f"{name}_se"] = standard_error(*(scores[each][name].to_numpy(dtype=float) for each in jobs))
    return found


def standard_error(own: Values, base: Values | None = None) -> float:
    """Return the standard error of a mean, or of a difference estimate: the base's mean plus the paired difference.

    Args:
        own: The deciding attack's score of each image that it has, ``(n,)``, n at least 2.
        base: The base's of all images, ``(N,)``, the first n of them the same; null if the deciding attack stands
            alone.
    """
    if base is None:
        return float(own.std(ddof=1) / len(own) ** 0.5)
    count, total = len(own), len(base)
    common = base[:count] / total + (own - base[:count]) / count  # what each image that both have adds to the estimate
    return float((count * common.var(ddof=1) + (total - count) * base.var(ddof=1) / total**2) ** 0.5)


def _standard_errors(scores: pandas.DataFrame) -> dict[str, float]:
    return {f"{name}_se": float(scores[name].std() / len(scores) ** 0.5) for name in ("mse", "ssim")}
