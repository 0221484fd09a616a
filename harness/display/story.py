"""What is known of a running study at a moment: which trials run, what was found, how long it will take."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.judging import JudgedTrial, Standing
from harness.records import Asked, Progress
from harness.study import Study

Clock = Callable[[], float]

MOST_FINISHED = 5
"""Trials that are remembered of those that finished last."""

TRAINING = "train"
"""What progress calls the training of a trial's network."""

NOTHING = Standing(finished=0, failures=0, front=(), unsettled=(), seconds=None)


@dataclass(kw_only=True)
class Running:
    """A trial that was handed out."""

    asked: Asked
    since: float
    jobs: dict[str, Progress] = field(default_factory=dict)
    """The last word of each job that is not done."""
    trained: bool = False
    """Whether its training is done, in this attempt or before."""


class Story:
    """Hears the events of a study, and answers what a display shows. Times are seconds of ``clock``."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._seconds, self._timed = 0.0, 0
        self._together = 1
        self.name, self.root, self.budget = "", Path(), 0
        self.running: dict[int, Running] = {}
        self.latest: deque[JudgedTrial] = deque(maxlen=MOST_FINISHED)
        """The trials that finished last in this session, the newest at the end."""
        self.standing = NOTHING

    def opened(self, study: Study, root: Path, standing: Standing) -> None:
        """Take over what an earlier run of the study left."""
        self.name, self.root, self.budget = study.name, root, study.search.trials
        self.standing, self._timed = standing, standing.finished
        self._seconds = (standing.seconds or 0.0) * standing.finished

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
        running.trained = running.trained or progress.job != TRAINING or progress.done >= progress.total

    def ended(self, trial: JudgedTrial, standing: Standing) -> float:
        """End a trial; return the seconds it took from its start."""
        running = self.running.pop(trial.number, None)
        known = trial.record.circumstances.seconds if trial.record else 0.0
        seconds = self._clock() - running.since if running else known
        self._seconds, self._timed = self._seconds + seconds, self._timed + 1
        self.latest.append(trial)
        self.standing = standing
        return seconds

    def elapsed(self, running: Running | None = None) -> float:
        """Return the seconds since a trial was handed out, or since the display began."""
        return self._clock() - (running.since if running else self._begun)

    def left(self) -> float | None:
        """Return an estimate of the seconds left; null until a trial has finished.

        Trials are taken to last as long as the mean of those that finished, as many at a time as have been seen; one
        that takes longer already, a tenth of its time more.
        """
        if not self._timed:
            return None
        mean = self._seconds / self._timed
        spent = [self.elapsed(running) for running in self.running.values()]
        under_way = [max(mean - seconds, seconds / 10) for seconds in spent]
        waiting = max(self.budget - self.standing.finished - len(self.running), 0)
        return max([(sum(under_way) + waiting * mean) / self._together, *under_way])
