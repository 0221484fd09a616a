"""What a driver remembers of its study's trials: an outline of each, and the front, kept up to date trial by trial."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.judging.shared import Front, contestant_of
from harness.judging.status import Status, status_of
from harness.judging.trials import JudgedTrial
from harness.judging.versions import Pooled
from harness.judging.worst import Candidate
from harness.records import Asked, Objectives, Scalar


class Outline(NamedTuple):
    """A trial without what only a report needs: a few hundred bytes, where its files are tens of thousands."""

    number: int
    state: str
    settings: Mapping[str, Scalar]
    anchor: bool
    feasible: bool
    objectives: Objectives | None
    asked_suite: frozenset[str]
    candidates: tuple[Candidate, ...]
    """What its worst case is taken over, as :func:`harness.judging.worst.compact` leaves it."""
    constraint: float | None
    """How far its accuracy lies below the floor; null if there is no floor or no accuracy."""
    later: bool
    """Whether its objectives may have changed since its record: attacks were run, or count by now."""
    mark: str
    """Digest of when its attacks were run and how they ended."""
    seconds: float
    """What its record says that it took; 0 while there is none."""
    tries: int
    """How often it came to a record."""

    @property
    def finished(self) -> bool:
        """Whether it has a record."""
        return self.state != "running"


class Standing(NamedTuple):
    """A study at a moment."""

    finished: int
    failures: int
    """Trials that failed, wholly or in an attack."""
    front: tuple[Outline, ...]
    """The trials that nothing dominates, by number."""
    unsettled: tuple[str, ...]
    """Attacks that some of these trials have and others have not: `harness.judging.shared`."""
    seconds: float | None
    """Mean time of a finished trial; null if there is none."""


def outline_of(trial: JudgedTrial) -> Outline:
    """Return a trial's outline."""
    record, floor = trial.record, trial.asked.floor
    accuracy = record.measured.accuracy if record else None
    return Outline(
        **contestant_of(trial)._asdict(),
        settings=trial.asked.settings,
        anchor=trial.asked.anchor,
        constraint=None if floor is None or accuracy is None else floor - accuracy,
        later=trial.moved,
        mark=trial.mark,
        seconds=record.circumstances.seconds if record else 0.0,
        tries=trial.tries,
    )


class Book:
    """The trials of a study as its driver goes on. Adding one costs no more than the front is long.

    Args:
        trials: Those that were asked before, in the order of their numbers.
    """

    def __init__(self, trials: Iterable[JudgedTrial] = ()) -> None:
        self.outlines: dict[int, Outline] = {}
        self.unfinished: dict[int, Asked] = {}
        """Trials that were asked and have no record."""
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._front = Front()
        self._pooled = Pooled()
        for trial in trials:
            self.add(trial)

    def add(self, trial: JudgedTrial) -> Outline:
        """Take a trial in, or what has become of it since."""
        outline, before = outline_of(trial), self.outlines.get(trial.number)
        if before is not None:
            self._counts[before.state] -= 1
            self._seconds -= before.seconds
        self.outlines[outline.number] = outline
        self._counts[outline.state] += 1
        self._seconds += outline.seconds
        if outline.finished:
            self.unfinished.pop(outline.number, None)
        else:
            self.unfinished[outline.number] = trial.asked
        self._front.add(outline)
        self._pooled.add(trial)
        return outline

    @property
    def contenders(self) -> tuple[int, ...]:
        """The trials of which the front may still become, by number: `harness.judging.shared.Front.contenders`."""
        return self._front.contenders

    def standing(self) -> Standing:
        """Return how the study stands now."""
        finished = self._counts.total() - self._counts["running"]
        return Standing(
            finished=finished,
            failures=self._counts["failed"] + self._counts["partial"],
            front=tuple(self.outlines[number] for number in self._front.numbers),
            unsettled=self._front.unsettled,
            seconds=self._seconds / finished if finished else None,
        )

    def status(self, identity: Mapping[str, str], budget: int) -> Status:
        """Return what ``invfront status`` says; arguments as of `harness.judging.status`."""
        return status_of(identity, budget, self._counts, self._front, self._pooled)
