"""Whether trials fail for a common cause, which is no trial's own: what the user must mend, or too little memory."""

import errno
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harness.records import Failure, one_line
from harness.trial import Result

ALIKE = 3
"""Failures in a row, of one cause, that end a study's work."""

MEMORY = ("MemoryError", "OutOfMemoryError")
"""Types of errors for want of memory: Python's, torch's and Ray's."""

CPU_MEMORY = "can't allocate memory"
"""What torch says on a CPU, in an error of no type of its own."""


class Cause(NamedTuple):
    """Why a trial failed, where that is not its own fault."""

    kind: Literal["yours", "memory"]
    """``yours``: the user must mend something, images above all; no trial is to blame. ``memory``: a trial may be."""
    text: str

    @property
    def way_out(self) -> str:
        """What to do about it, a clause."""
        return "mend it" if self.kind == "yours" else "give trials more memory or run fewer at a time"


class Step(NamedTuple):
    """What is to be done with results: nothing is lost, and nothing is published twice."""

    publish: tuple[Result, ...]
    again: tuple[Result, ...]
    """Trials to hand out again, without a record of this failure."""
    common: Cause | None
    """The common cause that ends the work; what is held then stays without a record, to be resumed."""


def cause_of(failure: Failure | None) -> Cause | None:
    """Return the cause of a failure that need not be its trial's own; null for all others."""
    if failure is None:
        return None
    if failure.type == "UserError":
        return Cause("yours", one_line(failure.message))
    short = failure.type in MEMORY or failure.errno == errno.ENOMEM or CPU_MEMORY in failure.message
    return Cause("memory", one_line(f"{failure.type}: {failure.message}")) if short else None


@dataclass
class Causes:
    """Hears of results in the order in which they come, and holds back those that may have a common cause.

    A trial that failed for the user's data has no record and is handed out again. One that failed for want of memory is
    held until another one does better, then it is its own failure; once a trial of the study has done better, at once.
    """

    proven: bool
    """Whether a trial of the study has ended without such a failure."""
    _held: list[Result] = field(default_factory=list)
    _row: list[Cause] = field(default_factory=list)
    """The failures in a row."""
    _tries: dict[int, int] = field(default_factory=dict)
    """How often each trial failed for the user's data."""

    def hear(self, result: Result) -> Step:
        """Return what to do now that a trial has ended."""
        cause = cause_of(result.record.error)
        if cause is None or (cause.kind == "memory" and self.proven):
            self.proven = True
            return self._settled((result,))
        if self._row and self._row[-1].kind != cause.kind:
            self._row.clear()
        self._row.append(cause)
        self._tries[result.record.number] = self._tries.get(result.record.number, 0) + 1
        if len(self._row) == ALIKE or self._tries[result.record.number] == ALIKE:
            self._held.clear()
            return Step((), (), cause)
        if cause.kind == "yours":
            return Step((), (result,), None)
        self._held.append(result)
        return Step((), (), None)

    def end(self) -> Step:
        """Return what to do now that no trial runs: too few have failed to tell a common cause."""
        return self._settled(())

    def _settled(self, ended: tuple[Result, ...]) -> Step:
        held = tuple(self._held)
        self._held.clear()
        self._row.clear()
        return Step((*held, *ended), (), None)
