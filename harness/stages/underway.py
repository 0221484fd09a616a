"""Whether a study's prior is being trained at this moment, for trials that wait for it and hold no torch."""

from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.ledger import CONFIRM, TRIALS
from harness.records import AttackJob

PRIORS_FOLDER = "priors"


def folder_of(trial: Path) -> Path:
    """Return where the priors of a trial's study lie, which confirming shares; of a trial outside any study, beside its
    attempts.
    """
    if trial.parent.name == TRIALS:
        return trial.parents[1] / PRIORS_FOLDER
    return (trial.parents[2] if trial.parent.parent.name == CONFIRM else trial) / PRIORS_FOLDER


def underway(folder: Path, job: AttackJob) -> AbstractContextManager[object]:
    """Say so of an attack's prior while the body runs; a process that dies says it no more."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(_sign(folder, job)).acquire()


def is_underway(folder: Path, job: AttackJob) -> bool:
    """Say whether an attack's prior is being trained, by whatever process."""
    sign = _sign(folder, job)
    if not sign.exists():
        return False
    try:
        with FileLock(sign).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # its disk is away for the moment
        return False


def _sign(folder: Path, job: AttackJob) -> Path:
    return folder / f"{job.name}.underway"
