"""The per-image oracle: what whoever could pick the best attack anew for every image would recover."""

from typing import NamedTuple

import numpy
import pandas

from harness.judging.trials import JudgedTrial
from harness.judging.worst import OBJECTIVE_PARTS
from harness.ledger.arrays import scores_of, scores_of_guesses
from harness.records import AttackRecord
from reports.formats import counted


class Oracle(NamedTuple):
    """Means over the first images of the scored part that everything in it scored.

    No attacker is an oracle: choosing takes the image itself. It bounds what choosing among these attacks could gain.
    """

    mse_oracle: float
    """Of each image's least error."""
    ssim_oracle: float
    """Of each image's greatest similarity."""
    oracle_images: int
    oracle_of: str
    """What it chooses among, in words: attacks whose scores are not there are left out, and so are guesses."""
    mse_same_images: float
    """Of what decided mse, on these images alone; NaN if its scores are not there."""
    ssim_same_images: float


def oracle(trial: JudgedTrial) -> Oracle | None:
    """Return the oracle of a trial's attacks and of the guesses without z; null if it has no objectives or no attack's
    scores are there.
    """
    objectives = trial.objectives
    if objectives is None:
        return None
    scored = [attack for attack in trial.attacks if attack.job.part in OBJECTIVE_PARTS and attack.measured.scores]
    found = {attack.job.name: _scores(trial, attack) for attack in scored}
    tables = {name: scores for name, scores in found.items() if scores is not None}
    if not tables:
        return None
    told = f"{len(tables)} of {len(found)} attacks" if len(tables) < len(found) else counted(len(found), "attack")
    clients = [attack.measured.digests["client"] for attack in scored if "client" in attack.measured.digests]
    guesses = scores_of_guesses(trial.path, clients[0]) if clients else {}
    images = min(len(scores) for scores in (*tables.values(), *guesses.values()))
    first = {name: scores.head(images) for name, scores in (tables | guesses).items()}
    return Oracle(
        mse_oracle=float(numpy.min([scores["mse"] for scores in first.values()], axis=0).mean()),
        ssim_oracle=float(numpy.max([scores["ssim"] for scores in first.values()], axis=0).mean()),
        oracle_images=images,
        oracle_of=f"{told}, {f'{len(guesses)} guesses' if guesses else 'no guess'}",
        mse_same_images=_mean(first.get(objectives.mse_attack), "mse"),
        ssim_same_images=_mean(first.get(objectives.ssim_attack), "ssim"),
    )


def _scores(trial: JudgedTrial, attack: AttackRecord) -> pandas.DataFrame | None:
    scores = scores_of(trial.path, attack)
    if scores is None or scores.empty or not {"mse", "ssim"} <= set(scores.columns):
        return None
    return scores[["mse", "ssim"]].astype(float)


def _mean(scores: pandas.DataFrame | None, name: str) -> float:
    return float("nan") if scores is None else float(scores[name].mean())
