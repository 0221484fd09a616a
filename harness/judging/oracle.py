"""The per-image oracle: what whoever could pick the best attack anew for every image would recover."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy
import pandas

from harness.judging.trials import JudgedTrial
from harness.judging.worst import OBJECTIVE_PARTS
from harness.ledger.arrays import scores_of_guesses
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


def oracle(trial: JudgedTrial, scores: Mapping[str, pandas.DataFrame]) -> Oracle | None:
    """Return the oracle of a trial's attacks and of the guesses without z; null if it has no objectives or no attack's
    scores are there.

    Args:
        trial: The trial.
        scores: Of every scored image, by attack job (`harness.ledger.arrays`).
    """
    objectives = trial.objectives
    if objectives is None:
        return None
    counting = [attack for attack in trial.attacks if attack.job.part in OBJECTIVE_PARTS and attack.job.counts]
    scored = [attack for attack in counting if attack.measured.scores]
    tables = {attack.job.name: scores[attack.job.name] for attack in scored if _is_whole(scores.get(attack.job.name))}
    if not tables:
        return None
    told = f"{len(tables)} of {len(scored)} attacks" if len(tables) < len(scored) else counted(len(scored), "attack")
    clients = [attack.measured.digests["client"] for attack in scored if "client" in attack.measured.digests]
    guesses = scores_of_guesses(trial.path, clients[0]) if clients else {}
    images = min(len(table) for table in (*tables.values(), *guesses.values()))
    first = {name: table[["mse", "ssim"]].head(images).astype(float) for name, table in (tables | guesses).items()}
    return Oracle(
        mse_oracle=float(numpy.min([table["mse"] for table in first.values()], axis=0).mean()),
        ssim_oracle=float(numpy.max([table["ssim"] for table in first.values()], axis=0).mean()),
        oracle_images=images,
        oracle_of=f"{told}, {f'{len(guesses)} guesses' if guesses else 'no guess'}",
        mse_same_images=_mean(first.get(objectives.mse_attack), "mse"),
        ssim_same_images=_mean(first.get(objectives.ssim_attack), "ssim"),
    )


def _is_whole(scores: pandas.DataFrame | None) -> bool:
    return scores is not None and not scores.empty and {"mse", "ssim"} <= set(scores.columns)


def _mean(scores: pandas.DataFrame | None, name: str) -> float:
    return float("nan") if scores is None else float(scores[name].mean())
