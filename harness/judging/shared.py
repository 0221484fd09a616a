"""Who is on the front: the trials that nothing dominates over the attacks that all who stand there have."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

import numpy

from harness.judging.worst import BLIND, Candidate, compact, worst_case
from harness.records import DIRECTIONS, Objectives
from reports.dominance import DIRECTIONS as SIGNS
from reports.dominance import Floats, joined, non_dominated


class Contender(Protocol):
    """A judged trial, or the outline of one."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def feasible(self) -> bool: ...
    @property
    def asked_suite(self) -> frozenset[str]:
        """The reconstruction jobs that it was asked with."""

    @property
    def candidates(self) -> tuple[Candidate, ...]: ...
    @property
    def objectives(self) -> Objectives | None:
        """Over all its attacks."""


class Contestant(NamedTuple):
    """What of a trial a front is made of, without its files."""

    number: int
    state: str
    feasible: bool
    asked_suite: frozenset[str]
    candidates: tuple[Candidate, ...]
    objectives: Objectives | None


def contestant_of(trial: Contender) -> Contestant:
    """Return what a front needs of a trial, whose files may then be forgotten."""
    return Contestant(
        number=trial.number,
        state=trial.state,
        feasible=trial.feasible,
        asked_suite=trial.asked_suite,
        candidates=compact(trial.candidates) if trial.objectives else (),
        objectives=trial.objectives,
    )


def held(trial: Contender) -> frozenset[str]:
    """Return the attacks that a trial has scores of."""
    return frozenset(each.name for each in trial.candidates if each.name not in BLIND)


def has_suite(trial: Contender) -> bool:
    """Say whether a trial is complete and lacks nothing of the suite that it was asked with."""
    return trial.state == "complete" and trial.objectives is not None and trial.asked_suite <= held(trial)


def objectives_over(trial: Contender, jobs: Collection[str]) -> Objectives | None:
    """Return the objectives of a trial over those of these attacks that it has, and the guesses; null if it lacks part
    of its suite.
    """
    own = trial.objectives
    if own is None or not has_suite(trial):
        return None
    found = [each for each in trial.candidates if each.name in jobs or each.name in BLIND]
    return own if len(found) in (0, len(trial.candidates)) else worst_case(own.accuracy, found)


class Front:
    """The trials that nothing dominates, kept up to date trial by trial.

    Candidates are feasible and have the suite that they were asked with. ``jobs``, what they are compared over, is all
    that any of them has; while a trial of the resulting front lacks some of it, the attack of these that fewest
    candidates have is left out. What trials off the front lack changes nothing: a further attack only lowers them
    (`harness.judging.worst`), and they are dominated already. An attack that a suite has gained counts from when the
    front has it; of one that the study itself was given, `suite` sees to it before.

    Adding a trial costs as the front is long; taking in one of the front again, or one that changes what is compared,
    as all trials are many.
    """

    def __init__(self, trials: Iterable[Contender] = ()) -> None:
        self._able: dict[int, Contender] = {}
        self._held: Counter[str] = Counter()
        """How many candidates have each attack."""
        self._levels: list[_Level] = []
        """From all attacks to ``jobs``: each without one that the front of the one before lacks."""
        for trial in trials:
            self._take(trial)
        self._settle()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trials of the front, in order."""
        return tuple(sorted(self._levels[-1].members))

    @property
    def points(self) -> Floats:
        """Their objectives over ``jobs``, ``(n, 3)``, in the order of ``DIRECTIONS``."""
        members = self._levels[-1].members
        return numpy.array([members[number] for number in self.numbers]).reshape(-1, len(DIRECTIONS))

    @property
    def jobs(self) -> frozenset[str]:
        """The attacks that trials are compared over."""
        return self._levels[-1].jobs

    @property
    def contenders(self) -> tuple[int, ...]:
        """The trials that nothing dominates over all attacks that any has, in order: which of them lack one decides
        what is unsettled, and the front is settled once none does.
        """
        return tuple(sorted(self._levels[0].members))

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The attacks that some candidates have and the front does not count, since some of its trials lack them."""
        return tuple(sorted(self._levels[0].jobs - self.jobs))

    def add(self, trial: Contender) -> bool:
        """Take a trial in, or what has become of it since; return whether the front is another one."""
        before = self._levels[-1].members
        known, able = trial.number in self._able, self._take(trial)
        if self._all_jobs() != self._levels[0].jobs:
            self._settle()
        elif known or able:
            self._add(trial if able else None, trial.number)
        return self._levels[-1].members != before

    def _take(self, trial: Contender) -> bool:
        gone = self._able.pop(trial.number, None)
        if gone is not None:
            self._held -= Counter(held(gone))
        if not (trial.feasible and has_suite(trial)):
            return False
        self._able[trial.number] = trial
        self._held.update(held(trial))
        return True

    def _all_jobs(self) -> frozenset[str]:
        return frozenset(self._held)

    def _add(self, trial: Contender | None, number: int) -> None:
        for depth, level in enumerate(self._levels):
            level.put(number, None if trial is None else _point(trial, level.jobs))
            if self._left_out(level) != level.left_out:
                self._settle(depth)
                return

    def _settle(self, depth: int = 0) -> None:
        """Make the levels anew, those before one apart."""
        del self._levels[depth:]
        last = self._levels[-1] if self._levels else None
        jobs = last.jobs - last.left_out if last else self._all_jobs()
        while True:
            level = _Level(jobs, self._able.values())
            self._levels.append(level)
            level.left_out = self._left_out(level)
            if not level.left_out:
                return
            jobs -= level.left_out

    def _left_out(self, level: "_Level") -> frozenset[str]:
        """Return the attack that fewest candidates have of those that some trial of a level's front lacks, by itself;
        empty if none lacks any.
        """
        if all(self._held[job] == len(self._able) for job in level.jobs):
            return frozenset()
        lacking = set[str]().union(*(level.jobs - held(self._able[number]) for number in level.members))
        return frozenset(sorted(lacking, key=lambda job: (self._held[job], job))[:1])


class _Level:
    """The front over some attacks."""

    def __init__(self, jobs: frozenset[str], trials: Iterable[Contender]) -> None:
        self.jobs = jobs
        self.left_out: frozenset[str] = frozenset()
        self.members: dict[int, tuple[float, ...]] = {}
        self._points = {trial.number: _point(trial, jobs) for trial in trials}
        self._fill()

    def put(self, number: int, point: tuple[float, ...] | None) -> None:
        """Take in a trial's objectives, null if it is no candidate any more."""
        self._points.pop(number, None)
        if point is not None:
            self._points[number] = point
        if number in self.members:  # its objectives may have changed: others may come back
            self._fill()
        elif point is not None:
            self._join(number, point)

    def _fill(self) -> None:
        points = numpy.array([*self._points.values()]).reshape(-1, len(DIRECTIONS))
        kept = non_dominated(points * [*SIGNS.values()])
        self.members = {number: self._points[number] for number, keeps in zip(self._points, kept, strict=True) if keeps}

    def _join(self, number: int, point: tuple[float, ...]) -> None:
        others = numpy.array([*self.members.values()]).reshape(-1, len(DIRECTIONS))
        kept = joined(others, numpy.array(point))
        if kept is not None:
            stay = {other: at for (other, at), keeps in zip(self.members.items(), kept, strict=True) if keeps}
            self.members = stay | {number: point}


def _point(trial: Contender, jobs: frozenset[str]) -> tuple[float, ...]:
    found = objectives_over(trial, jobs)
    return tuple(float(getattr(found, name)) for name in DIRECTIONS)
