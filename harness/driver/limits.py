"""Whether a study's limits let another trial be handed out; ``search/limits`` of the study file."""

import shlex
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from harness.driver.failing import Failing
from harness.errors import Interrupted
from harness.export import reference
from harness.judging import Book, Front, JudgedTrial, Outline, covered, judged_trials, reserved_seconds, spans
from harness.ledger import Ledger
from harness.records import FAILURES, Ended
from harness.study import Study
from harness.study.limits import Gain
from harness.tables import objectives_table
from reports.front import hypervolume

HOUR = 3600.0


class Limits:
    """Looks at what a study has used, and at how its trials end.

    Args:
        study: Says the limits.
        ledger: Its directory; what earlier sessions used is read there.
        book: What is known of its trials.
        clock: Returns seconds.
    """

    def __init__(self, study: Study, ledger: Ledger, book: Book, clock: Callable[[], float] = time.monotonic) -> None:
        self._study, self._limits, self._clock, self._book = study, study.search.limits, clock, book
        self._root = ledger.root
        proven = any(outline.state == "complete" for outline in book.outlines.values())
        self._failing = Failing(self._limits.failures, proven)
        limit, outlines = self._limits.hypervolume, [outline for _, outline in sorted(book.outlines.items())]
        self._gained = None if limit is None else Gained(limit, outlines, reference(study))
        self._begun: float | None = None
        self._running: dict[int, float | None] = {}
        """When jobs of trials that were handed out began; null while a trial waits for its place."""
        self._seconds, self._gpu_seconds = self._earlier(ledger)
        self.reached: Ended | None = None
        """The limit for which trials were withheld."""

    def started(self, number: int) -> None:
        """A trial was handed out."""
        self._begun = self._clock() if self._begun is None else self._begun
        self._running[number] = None

    def began(self, number: int) -> None:
        """A job of a trial has given a sign, its first one or a further one."""
        if self._running.get(number, 0.0) is None:
            self._running[number] = self._clock()

    def ended(self, trial: JudgedTrial) -> None:
        """A trial has its record."""
        self._running.pop(trial.number, None)
        self._gpu_seconds += self._reserved(trial)
        if trial.record is not None and trial.record.state != "pruned":
            self._failing.hear(trial.record.state, trial.record.error)

    def open(self, unfinished: bool = False) -> bool:
        """Say whether another trial may be handed out; remember why if not.

        Args:
            unfinished: Whether it was asked before: a limit at which a study ends well lets it be finished.
        """
        self.reached = self.reached or self._why()
        return self.reached is None or (self.reached.well and unfinished)

    def end(self) -> None:
        """Raise Interrupted if trials were withheld since too many failed."""
        if self.reached is not None and not self.reached.well:
            raise Interrupted(self.reached.text)

    def _why(self) -> Ended | None:
        at = shlex.quote(str(self._root))
        if why := self._failing.enough():
            way = f"mend it, then `invfront retry {at} failed partial` and `invfront resume {at}`"
            return Ended(limit=FAILURES, text=f"{why}; {way}")
        for name, why in (("hours", self._hours()), ("gpu_hours", self._gpu_hours()), ("hypervolume", self._volume())):
            if why:
                path = f"search/limits/{name}"
                way = f"`invfront resume {at} --set {path}=...` goes on"
                return Ended(limit=path, text=f"{path}: {why}; {way}")
        return None

    def _hours(self) -> str | None:
        limit = self._limits.hours
        used = (self._seconds + (0.0 if self._begun is None else self._clock() - self._begun)) / HOUR
        return f"its trials ran for {used:.2f} of {limit:g} hours" if limit is not None and used >= limit else None

    def _gpu_hours(self) -> str | None:
        limit, now = self._limits.gpu_hours, self._clock()
        running = self._gpus() * sum(now - since for since in self._running.values() if since is not None)
        used = (self._gpu_seconds + running) / HOUR
        return f"its trials took {used:.2f} of {limit:g} GPU hours" if limit is not None and used >= limit else None

    def _volume(self) -> str | None:
        if self._gained is None:
            return None
        standing = self._book.standing()
        return self._gained.stalled(standing.finished, standing.front)

    def _earlier(self, ledger: Ledger) -> tuple[float, float]:
        """Return the seconds in which trials ran in earlier sessions, and the GPU seconds that they reserved."""
        if self._limits.hours is None and self._limits.gpu_hours is None:
            return 0.0, 0.0
        trials = list(judged_trials(ledger))
        return covered(spans(trials)), sum(map(self._reserved, trials))

    def _reserved(self, trial: JudgedTrial) -> float:
        return reserved_seconds([trial], self._gpus())

    def _gpus(self) -> float:
        """Return the GPUs that a trial reserves."""
        return self._study.resources.bundle().get("GPU", 0.0)


class Gained:
    """What a study's last trials added to its hypervolume; a further one costs no more than the front is long.

    Args:
        limit: How many trials, and what they must have added.
        outlines: The trials so far, by number.
        reference: The point that hypervolumes are measured from.
    """

    def __init__(self, limit: Gain, outlines: Iterable[Outline], reference: Mapping[str, float]) -> None:
        self._limit, self._reference = limit, reference
        finished = [outline for outline in outlines if outline.finished]
        front, first = Front(finished[: -limit.trials]), max(0, len(finished) - limit.trials)
        self._volumes = deque([(first, self._volume(front))])
        """The hypervolume after so many trials, of the last ones."""
        for count, outline in enumerate(finished[first:], start=first + 1):
            front.add(outline)
            self._volumes.append((count, self._volume(front)))

    def stalled(self, finished: int, front: Iterable[Outline]) -> str | None:
        """Return that the last trials added too little; null while they did, or are too few to tell.

        Args:
            finished: How many trials have finished.
            front: Of them.
        """
        if finished > self._volumes[-1][0]:
            self._volumes.append((finished, self._volume(Front(front))))
        while len(self._volumes) > 1 and self._volumes[1][0] <= finished - self._limit.trials:
            self._volumes.popleft()
        (count, before), (_, now) = self._volumes[0], self._volumes[-1]
        gain = (now - before) / now if now else 0.0
        if not before or count > finished - self._limit.trials or gain >= self._limit.gain:
            return None
        added = f"the last {self._limit.trials} trials added {gain:.2%} to the hypervolume"
        return f"{added}, less than {self._limit.gain:.2%}"

    def _volume(self, front: Front) -> float:
        return hypervolume(objectives_table(front), self._reference)
