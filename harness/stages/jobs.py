"""How a trial hands out its jobs: in this process by default, elsewhere by a scheduler."""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from harness.records import Failure, Progress, Tell
from harness.stages.site import site
from harness.stages.spent import Spent, Stopwatch

T = TypeVar("T")

Stage = Callable[..., Generator[Progress, None, T]]


class Outcome(NamedTuple):
    """How one job ended: with a value or with a failure."""

    number: int
    """Position of the job among those handed in."""
    value: Any | None
    failure: Failure | None
    spent: Spent
    """The job's own time, waiting apart."""


class Submit(Protocol):
    """Runs ``stage(*job)`` for every job and yields outcomes as they come; never raises for a job's own failure."""

    def __call__(self, stage: Stage[T], jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Iterator[Outcome]:
        """``kind`` is ``train`` or ``attack``: whose resources the jobs take."""


def call(stage: Stage[T], jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell) -> Iterator[Outcome]:
    """Run the jobs one after another in this process."""
    for index, job in enumerate(jobs):
        watch = Stopwatch()
        watch.start(site())
        try:
            value = drain(stage(*job), tell)
        except Exception as error:  # a job's failure is its outcome
            yield Outcome(index, None, failure_of(error, kind), watch.read())
        else:
            yield Outcome(index, value, None, watch.read())


def drain(stage: Generator[Progress, None, T], tell: Tell) -> T:
    """Run a stage to its end, telling its progress; return its value."""
    while True:
        try:
            tell(next(stage))
        except StopIteration as end:
            value: T = end.value
            return value


def failure_of(error: BaseException, stage: str) -> Failure:
    """Return an error as a value."""
    text = "".join(traceback.format_exception(error))
    number = error.errno if isinstance(error, OSError) else None
    return Failure(stage=stage, type=type(error).__name__, message=str(error), traceback=text, errno=number)
