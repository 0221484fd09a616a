"""Stacking: what an attacker recovers who, for each image, takes of all attacks' reconstructions the likeliest one.

Unlike the oracle's, this choice is an attacker's: whoever holds the client's weights and the defense can ask how little
each reconstruction explains the release, by its exact law. The likelihood alone takes what fits the release best for
what is nearest to the image, which favours an attack that fits the noise.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray

from harness.judging.errors import Values, of_first
from harness.judging.trials import JudgedTrial
from harness.judging.worst import OBJECTIVE_PARTS
from reports.formats import counted


class Stacked(NamedTuple):
    """Means over the first scored images that all of these attacks have, of the first release, which all of them see.

    By construction ``mse_stacked_oracle <= mse_stacked``, and likewise, the other way round, for ssim.
    """

    mse_stacked: float
    """Of the reconstruction that explains the release best."""
    ssim_stacked: float
    mse_stacked_single: float
    """Of the attack that alone does best on these images."""
    ssim_stacked_single: float
    mse_stacked_oracle: float
    """Of whoever knew the image and took the best one."""
    ssim_stacked_oracle: float
    mse_stacked_se: float
    """Standard error over images of the difference of ``mse_stacked`` and ``mse_stacked_single``."""
    stacked_images: int
    stacked_of: str
    """Among how many attacks it chooses, in words."""


class _Choice(NamedTuple):
    stacked: float
    single: float
    best: float
    error: float


def stacked(trial: JudgedTrial, scores: Mapping[str, pandas.DataFrame]) -> Stacked | None:
    """Return what stacking a trial's attacks comes to; null if fewer than two have said how little what they
    reconstructed explains the release: its law is not known, or their records are of before this was measured.

    Args:
        trial: The trial.
        scores: Of every scored image, by attack job (`harness.ledger.arrays`).
    """
    scored = [attack for attack in trial.counting if attack.job.part in OBJECTIVE_PARTS and attack.measured.scores]
    tables = [scores[attack.job.name] for attack in scored if _tells(scores.get(attack.job.name))]
    if len(tables) < 2:
        return None
    images = min(len(table) for table in tables)
    mse, ssim = (_chosen([table.head(images) for table in tables], score) for score in ("mse", "ssim"))
    every = counted(len(scored), "attack")
    return Stacked(
        mse_stacked=mse.stacked,
        ssim_stacked=-ssim.stacked,
        mse_stacked_single=mse.single,
        ssim_stacked_single=-ssim.single,
        mse_stacked_oracle=mse.best,
        ssim_stacked_oracle=-ssim.best,
        mse_stacked_se=mse.error,
        stacked_images=images,
        stacked_of=every if len(tables) == len(scored) else f"{len(tables)} of {every}",
    )


def likeliest(surprise: Values) -> NDArray[numpy.intp]:
    """Return which of K reconstructions explains each release best, ``(n,)``, from ``(K, n)`` nats.

    Of equals the first; what is not a number explains nothing.
    """
    known = numpy.where(numpy.isnan(surprise), numpy.inf, surprise)
    found: NDArray[numpy.intp] = known.argmin(axis=0)
    return found


def _chosen(tables: Sequence[pandas.DataFrame], score: str) -> _Choice:
    """Return what the choice comes to by a score of which less leaks more: ssim with its sign turned."""
    own = numpy.array([of_first(table, score).to_numpy(dtype=float) for table in tables]) * (
        1 if score == "mse" else -1
    )
    surprise = numpy.array([table[f"surprise_{score}"].to_numpy(dtype=float) for table in tables])
    taken = numpy.take_along_axis(own, likeliest(surprise)[None], axis=0)[0]
    single = own[own.mean(axis=1).argmin()]
    spread = (taken - single).std(ddof=1) if len(taken) > 1 else float("nan")
    return _Choice(
        float(taken.mean()), float(single.mean()), float(own.min(axis=0).mean()), float(spread / len(taken) ** 0.5)
    )


def _tells(table: pandas.DataFrame | None) -> bool:
    needed = {"mse", "ssim", "surprise_mse", "surprise_ssim"}
    return table is not None and not table.empty and needed <= set(table.columns)
