"""A trial's side of Ray: its jobs are child tasks in its placement group, bounded in time, handed out again if lost."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ray

from harness.cluster.elsewhere import Elsewhere, fills_its_disk
from harness.cluster.handed import Handed
from harness.cluster.tasks import KILLED, LOST, Claim, Lost, On, hand_out, said
from harness.ledger import SKIP, Skipped, fetch, refuse_skipped
from harness.records import Failure, Tell
from harness.stages import Outcome, Stage, attempt_of, failure_of

ANYWHERE: Mapping[str, int] = MappingProxyType({LOST: 2, KILLED: 2})
"""How often a job that was lost is handed out again, where Ray may choose another node for it."""

IN_PLACE: Mapping[str, int] = MappingProxyType({LOST: 1, KILLED: 0})
"""How often within what its trial reserves, and so most often on the same node; then its trial goes elsewhere
(`harness.driver.causes`). A node that has no memory left has none the next moment either.
"""

POLL_SECONDS = 5.0
"""Longest single wait; deadlines are looked at in between."""

AHEAD = 64
"""Jobs that are handed out and have not begun, at most: all are looked at whenever one says something."""

HELD_SECONDS = 1.0
"""Between two looks at jobs that wait for what another process makes, where nothing else is left."""

SKIPPED_SECONDS = 5.0
"""Between two looks at a store for whether a trial's user wants no more of it."""

PATIENT_SECONDS = 600.0
"""How long jobs wait for their place, none running, before that is said, and said again."""

NEVER = float("inf")


class RaySubmit:
    """A ``Submit`` that runs jobs on the cluster until the trial's deadline.

    Args:
        claims: What jobs take of the cluster, by their kind.
        timeout_seconds: From now until all jobs must have ended; null for no limit.
        each: Whether that time is each job's own, from its first sign on: waiting for a place then costs nothing.
        trial: Directory of the trial that all jobs are of, which its user may end; null where there is no such one.
        ahead: Jobs that are handed out before they can begin, >= 1.
        held: Says whether a job waits for what another process makes; while nothing but such jobs are left, no time is
            charged.
        ended: Hears of each job that it will not run any more.
        again: How often a job that was lost is handed out again, by the type of its failure.
        elsewhere: Says where a job goes that failed for its place, and hears of jobs that wait for one in vain; null
            where that is its trial's.
        patience: Seconds that a trial's jobs wait for their place, none running, before they count as lost, what it
            reserves having gone with its node; they are not charged.
    """

    def __init__(
        self,
        claims: dict[str, Claim],
        timeout_seconds: float | None,
        *,
        each: bool = False,
        trial: Path | None = None,
        ahead: int = AHEAD,
        held: Callable[[tuple[Any, ...]], bool] = lambda job: False,
        ended: Callable[[tuple[Any, ...]], None] = lambda job: None,
        again: Mapping[str, int] = ANYWHERE,
        elsewhere: Elsewhere | None = None,
        patience: float = PATIENT_SECONDS,
    ) -> None:
        self._claims, self._each, self._trial, self._ahead = claims, each, trial, ahead
        self._held, self._ended, self._again, self._elsewhere = held, ended, again, elsewhere
        self._patience = NEVER if trial is None else patience
        self._stopped, self._looked = False, -NEVER
        self._waited_from = self._seen = time.monotonic()
        self._timeout = NEVER if timeout_seconds is None else timeout_seconds
        self._deadline = NEVER if each else time.monotonic() + self._timeout
        self.node: str | None = None
        """The cluster's name of the node that the last job ran on; null before any has said so."""

    def __call__(
        self, stage: Stage, jobs: Sequence[tuple[Any, ...]], kind: str, tell: Tell
    ) -> Generator[Outcome, None, None]:
        """Hand out jobs, a few more than have begun; yield their outcomes as they end. Jobs still running when it is
        closed end.
        """
        claim, left = self._claims[kind], deque(enumerate(jobs))
        running: dict[Any, Handed] = {}
        ends: dict[Any, float] = {}
        begun: set[Any] = set()
        avoided = self._avoided()
        self._waited_from = self._seen = time.monotonic()

        def start(handed: Handed) -> None:
            started = hand_out(stage, handed.job, claim, self._avoided(handed.failed_on))
            running[started] = handed

        try:
            while running or left:
                for number, given in self._taken(left, self._ahead - len(running) + len(begun)):
                    start(Handed.first(number, given))
                ready = self._wait(ends, running)
                now = time.monotonic()
                if self._stopped:
                    return
                in_vain = self._waited(claim, kind, now, waits=bool(running) and not begun)
                if over := in_vain or self._skipped(kind):
                    yield from _given_up(running, left, over)
                    return
                for job in [job for job in running if now >= ends.get(job, self._deadline)]:
                    ray.cancel(job, force=True)
                    begun.discard(job)
                    yield self._out_of_time(running.pop(job), kind)
                for job in [job for job in ready if job in running]:
                    end = said(job, running[job].watch, tell, kind)
                    if isinstance(end, On):
                        self.node = end.node
                        running[job] = running[job]._replace(node=end.node)
                        begun.add(job)
                    elif end is None:
                        if self._each:
                            ends.setdefault(job, now + self._timeout)
                    else:
                        handed = running.pop(job)
                        begun.discard(job)
                        handed.watch.stop()
                        if (again := self._anew(handed, end)) is not None:
                            start(again)
                        else:
                            self._ended(handed.job)
                            yield handed.ended(end, kind)
                if avoided != (avoided := self._avoided()):  # what has not begun was handed out before that was known
                    for job in [job for job in running if job not in begun]:
                        ray.cancel(job, force=True)
                        start(running.pop(job).anew())
        finally:
            for job in running:
                ray.cancel(job, force=True)
            for given in jobs:
                self._ended(given)

    def _avoided(self, own: frozenset[str] = frozenset()) -> frozenset[str]:
        return frozenset() if self._elsewhere is None else self._elsewhere.avoided(own)

    def _anew(self, handed: Handed, end: Any) -> Handed | None:
        """Return a job that has ended as it is handed out again; null if it is not."""
        if isinstance(end, Lost):
            return handed.lost() if handed.losses < self._again[end.type] else None
        if self._elsewhere is None or handed.node is None:
            return None
        if not isinstance(end, Failure):
            self._elsewhere.went_well(handed.node)
            return None
        attempt, site = attempt_of(handed.job), handed.watch.read().site
        if attempt is not None and fills_its_disk(end, attempt):
            return None
        host = handed.node if site is None else site.node
        again = self._elsewhere.again(end, len(handed.moves), handed.node, host)
        return handed.moved(handed.node) if again else None

    def _taken(self, left: deque[tuple[int, tuple[Any, ...]]], room: int) -> list[tuple[int, tuple[Any, ...]]]:
        """Take jobs off those that are left, as many as there is room for; those that wait for another process stay."""
        taken, held = list[tuple[int, tuple[Any, ...]]](), list[tuple[int, tuple[Any, ...]]]()
        while left and len(taken) < room:
            job = left.popleft()
            (held if self._held(job[1]) else taken).append(job)
        left.extendleft(reversed(held))
        return taken

    def _waited(self, claim: Claim, kind: str, now: float, waits: bool) -> Failure | None:
        """Hear whether jobs wait and none runs, which a trial is not charged; say so now and then, or return that they
        have waited in vain.
        """
        passed, self._seen = now - self._seen, now
        if not waits:
            self._waited_from = now
            return None
        if self._patience < NEVER:
            self._deadline += passed
        waited = now - self._waited_from
        if waited >= self._patience:
            message = f"no node has had room for what its trial reserves for {waited:.0f} s, since one was lost"
            return Failure(stage=kind, type=LOST, message=message)
        if self._elsewhere is not None and waited >= PATIENT_SECONDS:
            self._waited_from = now
            self._elsewhere.waits(claim.cpu, claim.gpu)
        return None

    def stop(self) -> None:
        """Let jobs that run end within seconds, without an outcome; called in any thread."""
        self._stopped = True

    def _wait(self, ends: Mapping[Any, float], running: Mapping[Any, Handed]) -> list[Any]:
        """Return a job that has said something; none after a while, or where all that is left is held."""
        if not running:
            time.sleep(HELD_SECONDS)
            self._deadline += HELD_SECONDS
            return []
        patience = _patience(ends.get(job, self._deadline) for job in running)
        ready, _ = ray.wait(list(running), timeout=patience, num_returns=1, fetch_local=True)
        return list(ready)

    def _skipped(self, kind: str) -> Failure | None:
        """Return that the trial's user wants no more of it; null while that is not so."""
        try:
            if self._trial is not None:
                if time.monotonic() - self._looked > SKIPPED_SECONDS:
                    self._looked = time.monotonic()
                    fetch(self._trial / SKIP)
                refuse_skipped(self._trial)
        except Skipped as end:
            return failure_of(end, kind)
        except OSError:  # its disk is away for the moment
            return None
        return None

    def _out_of_time(self, handed: Handed, kind: str) -> Outcome:
        who = "it" if self._each else "the trial"
        message = f"{who} ran past its time, {self._timeout:g} s (resources/timeout)"
        return handed.failed(Failure(stage=kind, type="Timeout", message=message))


def _given_up(
    running: dict[Any, Handed], left: Iterable[tuple[int, tuple[Any, ...]]], over: Failure
) -> Generator[Outcome, None, None]:
    """End all jobs, those too that were not handed out; yield their outcomes."""
    for job in list(running):
        ray.cancel(job, force=True)
        yield running.pop(job).failed(over)
    for number, given in left:
        yield Handed.first(number, given).failed(over)


def _patience(ends: Iterable[float]) -> float:
    return min(POLL_SECONDS, max(0.0, min(ends) - time.monotonic()))
