"""Whether a trial's failure is its own, its place's, or common to all: who is to blame, and what is done about it."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harness.errors import FULL
from harness.records import Failure, one_line
from harness.trial import Result

ALIKE = 3
"""Failures in a row, of one cause or on one node, that end a study's work or leave the node out."""

AGAIN = 2
"""How often a trial that failed for its place is handed out again."""

MEMORY = ("MemoryError", "OutOfMemoryError")
"""Types of errors for want of memory: Python's, torch's and Ray's."""

CPU_MEMORY = "can't allocate memory"
"""What torch says on a CPU, in an error of no type of its own."""

CUDA_MEMORY, CUDA, ASSERTED = "CUDA out of memory", "CUDA error", "device-side assert"
"""What torch says of a GPU that is full, of one that fails, and of a kernel that was asked for something impossible."""

NO_TEMPORARY = "No usable temporary directory"
"""What Python says where no folder for temporary files can be written."""

LOST_STORAGE = (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)
"""Errors of a mount or a disk that went away under a job; one that is full is the node's own, where it gets here."""


Training = tuple[int, int | None]
"""A trial, and the seed of what confirms it: each has tries of its own."""


class Cause(NamedTuple):
    """Why a trial failed, where that is not its own fault."""

    kind: Literal["yours", "place", "memory"]
    """``yours``: the user must mend something, images above all; no trial is to blame. ``place``: the node or its GPU,
    and another may do. ``memory``: a trial may be to blame."""
    text: str

    @property
    def way_out(self) -> str:
        """What to do about it, a clause."""
        return "give trials more memory or run fewer at a time" if self.kind == "memory" else "mend it"


class Step(NamedTuple):
    """What is to be done with results: nothing is lost, and nothing is published twice."""

    publish: tuple[Result, ...] = ()
    again: tuple[Result, ...] = ()
    """Trials to hand out again, without a record of this failure."""
    common: Cause | None = None
    """The common cause that ends the work; what is held then stays without a record, to be resumed."""
    left_out: str | None = None
    """A node that gets no more trials."""


def cause_of(failure: Failure | None) -> Cause | None:
    """Return the cause of a failure that need not be its trial's own; null for all others."""
    if failure is None:
        return None
    told = one_line(f"{failure.type}: {failure.message}")
    if failure.type == "UserError":
        return Cause("yours", one_line(failure.message))
    if _of_the_place(failure):
        return Cause("place", told)
    short = failure.type in MEMORY or failure.errno == errno.ENOMEM or CPU_MEMORY in failure.message
    return Cause("memory", told) if short else None


def _of_the_place(failure: Failure) -> bool:
    said = failure.message
    broken = CUDA_MEMORY in said or (CUDA in said and ASSERTED not in said) or NO_TEMPORARY in said
    return broken or failure.type == "DeviceError" or failure.errno in (*LOST_STORAGE, *FULL)


def cause_of_result(result: Result) -> Cause | None:
    """Return why a trial failed, or an attack of it, where that is not its own fault."""
    errors = (result.record.error, *(attack.error for attack in result.attacks))
    causes = [cause for cause in map(cause_of, errors) if cause is not None]
    return min(causes, key=lambda cause: cause.kind == "memory", default=None)


def _training(result: Result) -> Training:
    return result.record.number, result.record.asked.confirm


def alone(left_out: frozenset[str]) -> bool:
    """Say that there is no other node."""
    return False


@dataclass
class Causes:
    """Hears of results in the order in which they come, and holds back those that may have a common cause.

    A trial that failed for the user's data has no record and is handed out again; so is one that failed for its place,
    twice, and not to a node where it did. A node on which three in a row failed for it is left out, if there is
    another. One that failed for want of memory is held until another one does better, then it is its own failure; once
    a trial of the study has done better, at once.
    """

    proven: bool
    """Whether a trial of the study has ended without such a failure."""
    others: Callable[[frozenset[str]], bool] = alone
    """Whether a node could hold a trial that is not among those that are left out."""
    left_out: set[str] = field(default_factory=set)
    """Nodes that get no more trials."""
    failed_on: dict[int, frozenset[str]] = field(default_factory=dict)
    """On which nodes each trial failed for its place."""
    _notes: dict[Training, tuple[str, ...]] = field(default_factory=dict)
    """What each trial's failures for its place were, and where."""
    _held: list[Result] = field(default_factory=list)
    _row: list[Cause] = field(default_factory=list)
    """The failures in a row."""
    _rows: dict[str | None, int] = field(default_factory=dict)
    """The failures in a row of each node."""
    _tries: dict[Training, int] = field(default_factory=dict)
    """How often each trial failed for the user's data or its place."""

    def avoided(self, number: int) -> frozenset[str]:
        """Return the nodes that a trial shall not go to: those that are left out, and those where it failed."""
        left_out, own = frozenset(self.left_out), self.failed_on.get(number, frozenset())
        return left_out | own if own and self.others(left_out | own) else left_out

    def hear(self, result: Result) -> Step:
        """Return what to do now that a trial has ended."""
        cause = cause_of_result(result)
        if cause is None or (cause.kind == "memory" and self.proven):
            self.proven = True
            self._rows.pop(result.node, None)
            return self._settled((result,))
        if self._row and self._row[-1].kind != cause.kind:
            self._row.clear()
        self._row.append(cause)
        training = _training(result)
        self._tries[training] = self._tries.get(training, 0) + 1
        if cause.kind == "place" and result.node is not None:
            return self._misplaced(result, cause, result.node)
        enough = len(self._row) == ALIKE or (cause.kind == "yours" and self._tries[training] == ALIKE)
        # whatever else failed between, nothing did better than those that are held
        if enough or (cause.kind == "memory" and len(self._held) + 1 == ALIKE):
            self._held.clear()
            return Step(common=cause)
        if cause.kind == "yours":
            return Step(again=(result,))
        if cause.kind == "place":
            return self._again_or_not(result, cause)
        self._held.append(result)
        return Step()

    def end(self) -> Step:
        """Return what to do now that no trial runs: too few have failed to tell a common cause."""
        return self._settled(())

    def _misplaced(self, result: Result, cause: Cause, node: str) -> Step:
        """Return what to do with a trial that a node failed."""
        number = result.record.number
        self.failed_on[number] = self.failed_on.get(number, frozenset()) | {node}
        self._rows[node] = self._rows.get(node, 0) + 1
        left_out = None
        if self._rows[node] >= ALIKE and node not in self.left_out:
            if not self.others(frozenset(self.left_out | {node})):
                self._held.clear()
                return Step(common=cause)
            self.left_out.add(node)
            left_out = node
        return self._again_or_not(result, cause)._replace(left_out=left_out)

    def _again_or_not(self, result: Result, cause: Cause) -> Step:
        node, training = result.record.circumstances.node, _training(result)
        if self._tries[training] <= AGAIN:
            where = f" on {node}" if node else ""
            self._notes[training] = (*self._notes.get(training, ()), f"handed out again: {cause.text}{where}")
            return Step(again=(result,))
        return self._settled((result,))

    def _settled(self, ended: tuple[Result, ...]) -> Step:
        held = tuple(self._held)
        self._held.clear()
        self._row.clear()
        return Step(publish=tuple(self._noted(result) for result in (*held, *ended)))

    def _noted(self, result: Result) -> Result:
        """Return a result whose record tells of the times that it was handed out again for its place."""
        notes = self._notes.pop(_training(result), ())
        if not notes:
            return result
        return result._replace(record=result.record.model_copy(update={"notes": (*result.record.notes, *notes)}))
