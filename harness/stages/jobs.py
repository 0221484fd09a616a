"""How a trial hands out its jobs: in this process by default, elsewhere by a scheduler.

Whoever hands a job out names its work and need not be able to do it: a trial's own process, which only waits, holds no
torch, a quarter of the time and a fifth of the memory of one that does.
"""

import importlib
import os
import tempfile
import traceback
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from harness.errors import FULL
from harness.ledger.disk import free_bytes
from harness.records import Failure, Progress, Tell
from harness.stages.assignment import attempt_of
from harness.stages.spent import Site, Spent, Stopwatch

T = TypeVar("T")

NEARLY_FULL = 2**24
"""Bytes below which a disk counts as full: what was written last may have been taken back."""


class Stage(NamedTuple):
    """What a job does: the name of a generator function of progress that returns the job's value."""

    module: str
    function: str

    def load(self) -> Callable[..., Generator[Any, None, Any]]:
        """Return the function, its module being imported."""
        work: Callable[..., Generator[Any, None, Any]] = getattr(importlib.import_module(self.module), self.function)
        return work


TRAIN = Stage("harness.stages.training", "train_stage")
ATTACK = Stage("harness.stages.attacking", "attack_stage")
LATER = Stage("harness.stages.attacking", "later_stage")
"""An attack on a trial that is finished."""
PRIOR = Stage("harness.stages.priors", "prior_stage")

CALIBRATE = Stage("harness.stages.calibrating", "calibrate")
"""What a study's jobs take here."""

FAST = Stage("harness.stages.device", "fast_stage")
"""Whether bfloat16 is worth it where a job runs."""

RUN = Stage("harness.stages.running", "run")
"""Any of them, where it runs."""


class Outcome(NamedTuple):
    """How one job ended: with a value or with a failure."""

    number: int
    """Position of the job among those handed in."""
    value: Any | None
    failure: Failure | None
    spent: Spent
    """The job's own time, waiting apart."""


class Submit(Protocol):
    """Runs a stage for every job and yields outcomes as they come; never raises for a job's own failure."""

    def __call__(
        self, stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell
    ) -> Generator[Outcome, None, None]:
        """``kind`` is ``train`` or ``attack``: whose resources the jobs take."""


def call(stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Generator[Outcome, None, None]:
    """Run the jobs one after another in this process."""
    for index, job in enumerate(jobs):
        watch = Stopwatch()
        try:
            value = drain(RUN.load()(stage, job), _heard(watch, tell))
        except Exception as error:  # a job's failure is its outcome
            yield Outcome(index, None, failure_of(error, kind, attempt_of(job)), watch.read())
        else:
            yield Outcome(index, value, None, watch.read())


def _heard(watch: Stopwatch, tell: Tell) -> Callable[[Site | Progress], None]:
    """Return who hears a job: its first sign starts its watch."""
    return lambda said: watch.start(said) if isinstance(said, Site) else tell(said)


def drain(stage: Generator[Any, None, T], tell: Callable[[Any], None]) -> T:
    """Run a stage to its end, telling its progress; return its value."""
    while True:
        try:
            tell(next(stage))
        except StopIteration as end:
            value: T = end.value
            return value


def failure_of(error: BaseException, stage: str, attempt: Path | None = None) -> Failure:
    """Return an error as a value, where it was raised.

    Args:
        error: The error.
        stage: What failed.
        attempt: Where a job writes; of a disk that is full, which the system does not name, it is one of the places.
    """
    text = "".join(traceback.format_exception(error))
    number, path = (error.errno, error.filename) if isinstance(error, OSError) else (None, None)
    if number in FULL and path is None and attempt is not None:
        path = full_folder(attempt)
    shown = None if path is None else os.fsdecode(path) if isinstance(path, str | bytes) else str(path)
    return Failure(stage=stage, type=type(error).__name__, message=str(error), traceback=text, errno=number, path=shown)


def full_folder(attempt: Path, free: Callable[[Path], int] = free_bytes) -> Path:
    """Return which of the folders that a job writes into is full: the temporary one, or else its attempt.

    Args:
        attempt: The job's.
        free: Returns the bytes that are free where a folder lies.
    """
    try:
        temporary = Path(tempfile.gettempdir())
        return temporary if free(temporary) < NEARLY_FULL <= free(attempt) else attempt
    except OSError:
        return attempt
