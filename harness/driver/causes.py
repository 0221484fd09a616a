"""Whether a trial's failure is its own, its place's, or common to all: who is to blame, and what is done about it."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harness.cluster import KILLED, LOST
from harness.errors import FULL
from harness.records import Failure, one_line
from harness.trial import Result

ALIKE = 3
"""Failures in a row, of one cause or on one node, that end a study's work or leave the node out."""

AGAIN = 2
"""How often a trial that failed for its place, or was lost, is handed out again."""

MEMORY = "MemoryError"
"""Type of Python's own error for want of memory."""

CPU_MEMORY = "can't allocate memory"
"""What torch says on a CPU, in an error of no type of its own."""

CUDA_MEMORY, CUDA, ASSERTED = "CUDA out of memory", "CUDA error", "device-side assert"
"""What torch says of a GPU that is full, of one that fails, and of a kernel that was asked for something impossible."""

NO_TEMPORARY = "No usable temporary directory"
"""What Python says where no folder for temporary files can be written."""

LOST_STORAGE = (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)
"""Errors of a mount or a disk that went away under a job; one that is full is the node's own, where it gets here."""


ELSEWHERE = ("place", "lost", "killed")
"""Kinds of causes for which a trial goes to another node."""

Training = tuple[int, int | None]
"""A trial, and the seed of what confirms it: each has tries of its own."""


class Cause(NamedTuple):
    """Why a trial failed, where that is not its own fault."""

    kind: Literal["yours", "place", "lost", "killed", "memory"]
    """``yours``: the user must mend something, images above all; no trial is to blame. ``place``: the node or its GPU,
    and another may do. ``lost``: the worker or the node went, ``killed``: Ray ended the worker for want of memory; the
    node may be to blame, or a trial that does so everywhere. ``memory``: a trial may be to blame."""
    text: str
    host: str | None = None
    """Of the job that failed, as a record names it."""

    @property
    def way_out(self) -> str:
        """What to do about it, a clause."""
        return "give trials more memory or run fewer at a time" if self.kind in ("memory", "killed") else "mend it"


class Step(NamedTuple):
    """What is to be done with results: nothing is lost, and nothing is published twice."""

    publish: tuple[Result, ...] = ()
    again: tuple[Result, ...] = ()
    """Trials to hand out again, without a record of this failure."""
    why: str = ""
    """Why they are handed out again; empty where none is."""
    common: Cause | None = None
    """The common cause that ends the work; what is held then stays without a record, to be resumed."""
    left_out: str | None = None
    """A node that gets no more trials, as a record names it."""


def cause_of(failure: Failure | None) -> Cause | None:
    """Return the cause of a failure that need not be its trial's own; null for all others."""
    if failure is None:
        return None
    told = one_line(f"{failure.type}: {failure.message}")
    if failure.type == "UserError":
        return Cause("yours", one_line(failure.message))
    if of_the_place(failure):
        return Cause("place", told)
    if failure.type in (LOST, KILLED):
        return Cause("lost" if failure.type == LOST else "killed", told)
    short = failure.type == MEMORY or failure.errno == errno.ENOMEM or CPU_MEMORY in failure.message
    return Cause("memory", told) if short else None


def of_the_place(failure: Failure) -> bool:
    """Say whether a failure is not its job's own, but its node's or its GPU's, and another may do."""
    said = failure.message
    broken = CUDA_MEMORY in said or (CUDA in said and ASSERTED not in said) or NO_TEMPORARY in said
    return broken or failure.type == "DeviceError" or failure.errno in (*LOST_STORAGE, *FULL)


def cause_of_result(result: Result) -> Cause | None:
    """Return why a trial failed, or an attack of it, where that is not its own fault."""
    failed = [(attack.error, attack.circumstances.node) for attack in result.attacks]
    failed += [(result.record.error, result.record.circumstances.node)]  # of a partial trial, an attack's once more
    causes = [cause._replace(host=node or result.node) for error, node in failed if (cause := cause_of(error))]
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
    or was lost, twice, and not to a node where it did. A node on which three in a row failed so is left out, if there
    is another; else the work ends. A trial that is lost wherever it runs may do that itself: it counts once on each
    node, and once a trial of the study has done better, the last node goes on with the others. One that failed for want
    of memory is held until another one does better, then it is its own failure; once one has, at once.
    """

    proven: bool
    """Whether a trial of the study has ended without such a failure."""
    others: Callable[[frozenset[str]], bool] = alone
    """Whether a node could hold a trial that is not among those that are left out."""
    left_out: set[str] = field(default_factory=set)
    """Nodes that get no more trials."""
    failed_on: dict[int, frozenset[str]] = field(default_factory=dict)
    """On which nodes each trial failed for its place, or was lost."""
    _notes: dict[Training, tuple[str, ...]] = field(default_factory=dict)
    """Why each trial was handed out again for its place, and where that was."""
    _held: list[Result] = field(default_factory=list)
    _row: list[Cause] = field(default_factory=list)
    """The failures in a row."""
    _rows: dict[str, list[Training]] = field(default_factory=dict)
    """What failed in a row on each node."""
    _tries: dict[Training, int] = field(default_factory=dict)
    """How often each trial failed for the user's data or its place, or was lost."""

    def avoided(self, number: int) -> frozenset[str]:
        """Return the nodes that a trial shall not go to: those that are left out, and those where it failed."""
        left_out, own = frozenset(self.left_out), self.failed_on.get(number, frozenset())
        return left_out | own if own and self.others(left_out | own) else left_out

    def hear(self, result: Result) -> Step:
        """Return what to do now that a trial has ended."""
        cause = cause_of_result(result)
        if cause is None or (cause.kind == "memory" and self.proven):
            self.proven = True
            self._rows.pop(result.node or "", None)
            return self._settled((result,))
        if self._row and self._row[-1].kind != cause.kind:
            self._row.clear()
        self._row.append(cause)
        training = _training(result)
        self._tries[training] = self._tries.get(training, 0) + 1
        if cause.kind in ELSEWHERE and result.node is not None:
            return self._misplaced(result, cause, result.node)
        if cause.kind in ("lost", "killed"):
            return self._again_or_not(result, cause)
        if len(self._row) == ALIKE or (cause.kind == "yours" and self._tries[training] == ALIKE):
            self._held.clear()
            return Step(common=cause)
        if cause.kind == "yours":
            return Step(again=(result,), why=cause.text)
        return self._again_or_not(result, cause) if cause.kind == "place" else self._hold(result, cause)

    def end(self) -> Step:
        """Return what to do now that no trial runs: too few have failed to tell a common cause."""
        return self._settled(())

    def _misplaced(self, result: Result, cause: Cause, node: str) -> Step:
        """Return what to do with a trial that a node failed."""
        number, row, left_out = result.record.number, self._rows.setdefault(node, []), None
        self.failed_on[number] = self.failed_on.get(number, frozenset()) | {node}
        if cause.kind == "place" or _training(result) not in row:
            row.append(_training(result))
        if len(row) >= ALIKE and node not in self.left_out:
            if self.others(frozenset(self.left_out | {node})):
                self.left_out.add(node)
                left_out = cause.host
            elif cause.kind == "place" or not self.proven:
                self._held.clear()
                return Step(common=cause)
        return self._again_or_not(result, cause)._replace(left_out=left_out)

    def _again_or_not(self, result: Result, cause: Cause) -> Step:
        training, where = _training(result), f" on {cause.host}" if cause.host else ""
        if self._tries[training] <= AGAIN:
            self._notes[training] = (*self._notes.get(training, ()), f"handed out again: {cause.text}{where}")
            return Step(again=(result,), why=f"{cause.text}{where}")
        return self._hold(result, cause) if cause.kind == "killed" and not self.proven else self._settled((result,))

    def _hold(self, result: Result, cause: Cause) -> Step:
        """Hold a result until another one does better; whatever else failed between, a third one's cause is common."""
        if len(self._held) + 1 == ALIKE:
            self._held.clear()
            return Step(common=cause)
        self._held.append(result)
        return Step()

    def _settled(self, ended: tuple[Result, ...]) -> Step:
        held = tuple(self._held)
        self._held.clear()
        self._row.clear()
        return Step(publish=tuple(self._noted(result) for result in (*held, *ended)))

    def _noted(self, result: Result) -> Result:
        """Return a result whose record tells of the times that it was handed out again for its place."""
        self._tries.pop(_training(result), None)  # one that its user retries has all of them again
        notes = self._notes.pop(_training(result), ())
        if not notes:
            return result
        return result._replace(record=result.record.model_copy(update={"notes": (*result.record.notes, *notes)}))
