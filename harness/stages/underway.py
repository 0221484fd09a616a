"""Whether a study's prior is being trained at this moment, for trials that wait for it and hold no torch.

A sign lies beside the prior while it is trained, and whoever trains it holds a lock. A sign whose lock nobody holds was
left by a process that was lost, or failed. That is started again as a rule, elsewhere perhaps, or who hears of the
failure says that it is over; if neither comes, one of those that wait is its heir, and trains the prior itself.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.ledger import CONFIRM, TRIALS
from harness.records import AttackJob

PRIORS_FOLDER = "priors"

GRACE_SECONDS = 60.0
"""How long a process that was lost, or failed, has to be started again."""

LONGEST_WAIT = 24 * 3600.0
"""Seconds after which an attack waits for its prior no more."""


def folder_of(trial: Path) -> Path:
    """Return where the priors of a trial's study lie, which confirming shares; of a trial outside any study, beside its
    attempts.
    """
    if trial.parent.name == TRIALS:
        return trial.parents[1] / PRIORS_FOLDER
    return (trial.parents[2] if trial.parent.parent.name == CONFIRM else trial) / PRIORS_FOLDER


@contextlib.contextmanager
def underway(folder: Path, job: AttackJob) -> Iterator[None]:
    """Say so of an attack's prior while the body runs; of one that fails, whoever hears of it says that it is over."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock(folder, job)):
        _sign(folder, job).touch()
        yield
        over(folder, job)


def over(folder: Path, job: AttackJob) -> None:
    """Say that an attack's prior is trained, or cannot be: nobody waits for it any more."""
    _sign(folder, job).unlink(missing_ok=True)


class Waiting:
    """The attacks of one trial that wait for their priors, and those that are heirs.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._alone: dict[str, float] = {}
        self._heirs: dict[str, BaseFileLock] = {}

    def must(self, folder: Path, job: AttackJob) -> bool:
        """Say whether an attack waits for its prior, which another process trains; if not, it is to start now.

        Args:
            folder: Where the study's priors lie.
            job: The attack.
        """
        now = self._clock()
        try:
            if not _sign(folder, job).exists() or now - self._since.setdefault(job.name, now) > LONGEST_WAIT:
                return False
            if _is_held(_lock(folder, job)):
                self._alone.pop(job.name, None)
                return True
            if now - self._alone.setdefault(job.name, now) < GRACE_SECONDS:
                return True
            heir = FileLock(_lock(folder, job).with_suffix(".heir.lock"))
            heir.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # its disk is away for the moment
            return False
        self._heirs[job.name] = heir
        return False

    def ended(self, job: AttackJob) -> None:
        """An attack has ended: if it was an heir, and left the prior untrained, another one may be."""
        heir = self._heirs.pop(job.name, None)
        if heir is not None:
            heir.release()


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _sign(folder: Path, job: AttackJob) -> Path:
    return folder / f"{job.name}.underway"


def _lock(folder: Path, job: AttackJob) -> Path:
    return folder / f"{job.name}.underway.lock"
