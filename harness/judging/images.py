"""What the scores of single images say of a trial's attacks; each attack's file is opened once."""

from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray

from harness.judging.oracle import Oracle, oracle
from harness.judging.trials import JudgedTrial
from harness.ledger.arrays import FIXED_IMAGES, scores_of

SCORES = ("mse", "psnr", "ssim")


class PerImage(NamedTuple):
    """Of one trial; by attack job, without those whose scores are not there."""

    oracle: Oracle | None
    errors: dict[str, dict[str, float]]
    """Standard errors of the means over images, ``mse_se`` and ``ssim_se``."""
    first: dict[str, NDArray[numpy.float64]]
    """Scores of the images whose reconstructions are kept, ``(n, 3)``, columns ``SCORES``."""


def per_image(trial: JudgedTrial) -> PerImage:
    """Return what the scores of a finished trial's images say."""
    found = {attack.job.name: scores_of(trial.path, attack) for attack in trial.attacks if attack.measured.scores}
    scores = {job: table for job, table in found.items() if table is not None}
    return PerImage(
        oracle=oracle(trial, scores),
        errors={job: _standard_errors(table) for job, table in scores.items() if len(table) > 1},
        first={
            job: table.reindex(columns=SCORES).head(FIXED_IMAGES).to_numpy(dtype=float) for job, table in scores.items()
        },
    )


def _standard_errors(scores: pandas.DataFrame) -> dict[str, float]:
    return {f"{name}_se": float(scores[name].std() / len(scores) ** 0.5) for name in ("mse", "ssim")}
