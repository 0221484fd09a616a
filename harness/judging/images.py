"""What the scores of single images say of a trial's attacks; each attack's file is opened once."""

from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray

from harness.judging.errors import Values, errors_of, of_first
from harness.judging.levels import AtLevel, at_levels
from harness.judging.oracle import Oracle, oracle
from harness.judging.stacking import Stacked, stacked
from harness.judging.trials import JudgedTrial
from harness.ledger.arrays import FIXED_IMAGES, scores_of

SCORES = ("mse", "psnr", "ssim")


class PerImage(NamedTuple):
    """Of one trial; by attack job, without those whose scores are not there."""

    oracle: Oracle | None
    stacked: Stacked | None
    errors: dict[str, dict[str, float]]
    """Standard errors of the means over images and their releases, clustered by image, ``mse_se`` and ``ssim_se``."""
    decided: dict[str, float]
    """Those of the trial's objectives; a guess's are left out."""
    levels: list[AtLevel]
    """The worst case by what the attacker holds; empty if that is one thing alone."""
    first: dict[str, NDArray[numpy.float64]]
    """Scores of the images whose reconstructions are kept, of the release that these are from, ``(n, 3)``, columns
    ``SCORES``."""


def per_image(trial: JudgedTrial) -> PerImage:
    """Return what the scores of a finished trial's images say."""
    found = {attack.job.name: scores_of(trial.path, attack) for attack in trial.attacks if attack.measured.scores}
    scores = {job: table for job, table in found.items() if table is not None}
    return PerImage(
        oracle=oracle(trial, scores),
        stacked=stacked(trial, scores),
        errors={job: _standard_errors(table) for job, table in scores.items() if len(table) > 1},
        decided=errors_of(trial.objectives, scores) if trial.objectives else {},
        levels=at_levels(trial, scores),
        first={job: _of_kept(table) for job, table in scores.items()},
    )


def _of_kept(scores: pandas.DataFrame) -> Values:
    columns = {name: of_first(scores, name) for name in SCORES}
    kept: Values = pandas.DataFrame(columns, index=scores.index).head(FIXED_IMAGES).to_numpy(dtype=float)
    return kept


def _standard_errors(scores: pandas.DataFrame) -> dict[str, float]:
    return {f"{name}_se": float(scores[name].std() / len(scores) ** 0.5) for name in ("mse", "ssim")}
