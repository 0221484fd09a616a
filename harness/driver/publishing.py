"""Hands a study's trials out, and publishes what comes back: to the ledger, then to all that is told by it."""

from typing import NamedTuple

from harness.cluster import NOT_NOW, NotNow
from harness.driver.causes import ALIKE, Causes, Step
from harness.driver.comparison import Comparison
from harness.driver.limits import Limits
from harness.driver.retrying import told_of
from harness.driver.room import Room
from harness.driver.steering import Steering
from harness.driver.watching import Watcher
from harness.errors import Interrupted
from harness.judging import ALL, NO_CONTROLS, Book, Controls, Suite, judged
from harness.ledger import SKIP, Ledger
from harness.records import Asked, Failure
from harness.search import Search
from harness.stages.checkpoints import discard
from harness.tracking import Tracked
from harness.trial import Result


class Publisher(NamedTuple):
    """Hands trials out, and publishes what comes back."""

    ledger: Ledger
    book: Book
    search: Search
    tracking: Tracked
    watcher: Watcher
    comparison: Comparison
    causes: Causes
    room: Room
    suite: Suite = ALL
    controls: Controls = NO_CONTROLS
    limits: Limits | None = None
    """What ends the study before its trials are spent; null for nothing."""
    steering: Steering | None = None
    """What the user asks meanwhile; null where nothing can be asked."""
    way: str = ""
    """How to go on once the work was cut off, a clause."""
    retrying: bool = False
    """Whether trials that failed are run again, and no others; else the study goes on."""

    def ask(self) -> Asked | NotNow | None:
        """Return the next trial; null if there is none, or no room for it."""
        if self.steering is not None:
            self.steering.look()
            if self.steering.holds_back() and self.more():
                return NOT_NOW
        asked = self.search.ask() if self.more() else None
        if asked is not None:
            if self.steering is not None:
                self.steering.running.add(asked.number)
            if self.limits is not None:
                self.limits.started(asked.number)
            self.watcher.started(asked)
        return asked

    def more(self) -> bool:
        """Say whether there is a trial to hand out, room for it, and no limit that it would pass."""
        if self.steering is not None and self.steering.stopped:
            return False
        left = bool(self.search.again) if self.retrying else self.search.left()
        if not left or not self.ledger.patience(self.room.enough):
            return False
        return self.limits is None or self.limits.open(bool(self.search.again))

    def heard(self, result: Result) -> None:
        """Take a result: most are published; those that no trial is to blame for are handed out again, or end the work.

        Raises:
            Interrupted: trial after trial fails for a common cause.
        """
        number = result.record.number
        if self.steering is not None:
            self.steering.running.discard(number)
        if result.record.state != "complete" and (self.ledger.trial(number) / SKIP).exists():
            self.finish(pruned(result))
            return
        self._do(self.causes.hear(result), result)

    def end(self) -> None:
        """Settle what was held back, now that no trial runs."""
        self._do(self.causes.end(), None)

    def _do(self, step: Step, last: Result | None) -> None:
        for result in step.publish:
            self.finish(result)
        self.search.again.extend(result.record.asked for result in step.again)
        if step.left_out is not None and last is not None:
            node = last.record.circumstances.node
            self.watcher.noted(f"{node} gets no more trials until the study is resumed: {ALIKE} in a row failed there")
        if step.common is not None:
            node = last.record.circumstances.node if last else None
            where = f" on {node}" if node else ""
            raise Interrupted(f"trials fail alike{where}: {step.common.text}; {step.common.way_out}, then {self.way}")

    def finish(self, result: Result) -> None:
        """Publish a trial: attacks, then the record that finishes it, then what can be rebuilt from them."""
        record = result.record
        again = self.retrying or (self.steering is not None and record.number in self.steering.retried)
        if again:
            record = told_of(record, self.ledger.read(record.number).record)
        for attack in result.attacks:
            self.ledger.publish_attack(attack, again)
        self.ledger.publish_record(record, again)
        files = self.ledger.read(result.record.number)
        self.controls.hear(files)
        trial = judged(files, self.suite, self.controls)
        outline = self.book.add(trial)
        if self.limits is not None:
            self.limits.ended(trial)
        self.search.tell(outline)
        self.room.ended(trial.path)
        self.ledger.patience(lambda: discard(trial.path))
        self.tracking.trial(outline)
        self.watcher.finished(trial, self.book.standing())
        self.comparison.hear(result.record.circumstances, *(attack.circumstances for attack in result.attacks))


def pruned(result: Result) -> Result:
    """Return the result of a trial that its user ended: what it had measured stands in its record, without attacks."""
    user = Failure(stage="user", type="Skipped", message="its user wanted no more of it (invfront ctl skip)")
    record = result.record.model_copy(update={"state": "pruned", "verdicts": {}, "error": user})
    return result._replace(record=record, attacks=())
