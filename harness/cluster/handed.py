"""A job that was handed out: where it runs, how often it was lost, and its outcome."""

import contextlib
from typing import Any, NamedTuple

from harness.cluster.tasks import Lost
from harness.ledger import LOG, fetch, tail
from harness.records import Failure
from harness.stages import Outcome, Stopwatch, afresh, attempt_of


class Handed(NamedTuple):
    """A job that was handed out."""

    number: int
    """Its position among the jobs."""
    losses: int
    """How often it was lost."""
    watch: Stopwatch
    job: tuple[Any, ...]
    """What it was given."""
    node: str | None = None
    """The cluster's name of where it runs; null before it has said so."""
    moves: tuple[str, ...] = ()
    """Where it failed for its place."""

    @classmethod
    def first(cls, number: int, job: tuple[Any, ...]) -> "Handed":
        """Return a job as it is handed out for the first time."""
        return cls(number, 0, Stopwatch(), job)

    @property
    def failed_on(self) -> frozenset[str]:
        """The nodes that it shall not go to for that."""
        return frozenset(self.moves)

    def anew(self) -> "Handed":
        """Return the job as it is handed out again, through no fault of its own or of its place."""
        return self._replace(job=afresh(self.job), node=None)

    def lost(self) -> "Handed":
        """Return the job as it is handed out again since it was lost."""
        return self.anew()._replace(losses=self.losses + 1)

    def moved(self, node: str) -> "Handed":
        """Return the job as it is handed out again since its place, a node, failed it."""
        return self.anew()._replace(moves=(*self.moves, node))

    def failed(self, failure: Failure) -> Outcome:
        """Return how the job ended, with the last that its attempt logged."""
        attempt = attempt_of(self.job)
        if attempt is not None:
            with contextlib.suppress(OSError):
                fetch(attempt / LOG)
        log = tail(attempt) if attempt else None
        return Outcome(self.number, None, failure.model_copy(update={"log": log}), self.watch.read())

    def ended(self, end: Any, kind: str) -> Outcome:
        """Return how the job ended, by its last word: its wrapped value, its failure, or how it was lost."""
        if isinstance(end, Lost):
            times = f"{self.losses + 1} times" if self.losses else "once"
            return self.failed(Failure(stage=kind, type=end.type, message=f"{end.why} {times}"))
        if isinstance(end, Failure):
            return self.failed(end.model_copy(update={"stage": kind}))
        return Outcome(self.number, end[0], None, self.watch.read())
