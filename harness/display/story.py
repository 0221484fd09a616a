"""What is known of a running study at a moment: which trials run, what was found, how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.judging import JudgedTrial, front_numbers, judged, judged_trials, row_of
from harness.ledger import Ledger
from harness.records import Asked, Progress, Record
from harness.study import Study

Clock = Callable[[], float]


@dataclass(kw_only=True)
class Running:
    """A trial that was handed out."""

    asked: Asked
    since: float
    jobs: dict[str, Progress] = field(default_factory=dict)
    """The last word of each job that is not done."""


class Story:
    """Hears the events of a study, and answers what a display shows. Times are seconds of ``clock``."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._ledger: Ledger | None = None
        self._seconds: list[float] = []
        self._together = 1
        self.name, self.root, self.budget = "", Path(), 0
        self.running: dict[int, Running] = {}
        self.finished: dict[int, JudgedTrial] = {}
        """By number, in the order in which they finished."""
        self.front: tuple[int, ...] = ()

    def opened(self, study: Study, root: Path) -> None:
        """Read what an earlier run of the study left."""
        self.name, self.root, self.budget = study.name, root, study.search.trials
        self._ledger = Ledger(root)
        self.finished = {trial.number: trial for trial in judged_trials(self._ledger) if trial.record}
        self._seconds = [trial.record.circumstances.seconds for trial in self.finished.values() if trial.record]
        self.front = front_numbers(map(row_of, self.finished.values()))

    def started(self, asked: Asked) -> None:
        """Begin a trial."""
        self.running[asked.number] = Running(asked=asked, since=self._clock())
        self._together = max(self._together, len(self.running))

    def progress(self, number: int, progress: Progress) -> None:
        """Note how far a job of a trial has come."""
        running = self.running.get(number)
        if running is None:
            return
        if progress.done >= progress.total:
            running.jobs.pop(progress.job, None)
        else:
            running.jobs[progress.job] = progress

    def ended(self, record: Record) -> float:
        """End a trial; return the seconds it took from its start."""
        number = record.number
        running = self.running.pop(number, None)
        seconds = self._clock() - running.since if running else record.circumstances.seconds
        self._seconds.append(seconds)
        if self._ledger is not None:
            self.finished[number] = judged(self._ledger.read(number))
            self.front = front_numbers(map(row_of, self.finished.values()))
        return seconds

    def elapsed(self, running: Running | None = None) -> float:
        """Return the seconds since a trial was handed out, or since the display began."""
        return self._clock() - (running.since if running else self._begun)

    def left(self) -> float | None:
        """Return an estimate of the seconds left; null until a trial has finished.

        Trials are taken to last as long as the mean of those that finished, as many at a time as have been seen; one
        that takes longer already, a tenth of its time more.
        """
        if not self._seconds:
            return None
        mean = sum(self._seconds) / len(self._seconds)
        spent = [self.elapsed(running) for running in self.running.values()]
        under_way = [max(mean - seconds, seconds / 10) for seconds in spent]
        waiting = max(self.budget - len(self.finished) - len(self.running), 0)
        return max([(sum(under_way) + waiting * mean) / self._together, *under_way])

    def failures(self) -> int:
        """Return the number of failed and partial trials."""
        return sum(trial.record is not None and trial.record.state != "complete" for trial in self.finished.values())
