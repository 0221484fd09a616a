"""Whether a study's prior is being trained at this moment, for trials that wait for it and hold no torch.

A sign lies beside the prior while it is trained, and whoever trains it holds a lock on the sign. A sign that nobody
holds was left by a process that is lost: one of those that wait is its heir, and trains the prior itself.
"""

import contextlib
from collections.abc import Iterator
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


@contextlib.contextmanager
def underway(folder: Path, job: AttackJob) -> Iterator[None]:
    """Say so of an attack's prior while the body runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(_sign(folder, job)):
        try:
            yield
        finally:
            over(folder, job)


def over(folder: Path, job: AttackJob) -> None:
    """Say that an attack's prior is trained, or cannot be: nobody waits for it any more."""
    _sign(folder, job).unlink(missing_ok=True)


def must_wait(folder: Path, job: AttackJob, heir: contextlib.ExitStack) -> bool:
    """Say whether an attack waits for its prior, which another process trains.

    Args:
        folder: Where the study's priors lie.
        job: The attack.
        heir: Holds, for as long as the attack may run, that it is the heir of a process that was lost.
    """
    sign = _sign(folder, job)
    try:
        if not sign.exists():
            return False
        FileLock(sign).acquire(timeout=0).lock.release()
        heir.enter_context(FileLock(sign.with_suffix(".heir.lock")).acquire(timeout=0))
    except Timeout:
        return True
    except OSError:  # its disk is away for the moment
        return False
    return False


def _sign(folder: Path, job: AttackJob) -> Path:
    return folder / f"{job.name}.underway"
