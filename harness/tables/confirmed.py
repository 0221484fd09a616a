"""A study's confirms as a tidy table."""

import pandas

from harness.judging import Training
from harness.records import Scalar
from harness.tables.frames import table
from harness.tables.held import held

CONFIRMED = {
    "trial": int,
    "seed": int,
    "part": str,
    "accuracy": float,
    "mse": float,
    "ssim": float,
    "mse_attack": str,
    "ssim_attack": str,
    "control_accuracy": float,
}


def confirmed_table(trainings: list[Training]) -> pandas.DataFrame:
    """Return one row per training that confirms a trial and has ended: ``trial, seed, part, accuracy, mse, ssim,
    mse_attack, ssim_attack``, the worst case over the attacks that all of them have; NaN and null of one that failed;
    ``control_accuracy``, where a trial was to be held to an accuracy.
    """
    return table((_row(each) for each in trainings if each.trial.record), CONFIRMED)


def _row(each: Training) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {"trial": each.run.trial, "seed": each.run.seed}
    row["part"] = each.trial.asked.attacks[0].part
    row["accuracy"] = each.trial.record.measured.accuracy if each.trial.record else None
    row["control_accuracy"] = held(each.trial).get("control_accuracy")
    found = each.objectives
    if found is not None:
        row |= {"mse": found.mse, "ssim": found.ssim, "mse_attack": found.mse_attack, "ssim_attack": found.ssim_attack}
    return row
