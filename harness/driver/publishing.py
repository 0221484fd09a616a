"""Hands a study's trials out, and publishes what comes back: to the ledger, then to all that is told by it."""

from typing import NamedTuple

from harness.cluster import NOT_NOW, Exchange, NotNow
from harness.driver.answering import Answering
from harness.driver.causes import ALIKE, Causes, Step
from harness.driver.comparison import Comparison
from harness.driver.limits import Limits
from harness.driver.retrying import told_of
from harness.driver.room import Room
from harness.driver.watching import Watcher
from harness.errors import Interrupted
from harness.judging import ALL, NO_CONTROLS, Book, Controls, Suite, judged
from harness.ledger import SKIP, Ledger
from harness.records import Asked, Failure, Progress
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
    answering: Answering | None = None
    """What the user asks meanwhile; null where nothing can be asked."""
    way: str = ""
    """How to go on once the work was cut off, a clause."""
    retrying: bool = False
    """Whether trials that failed are run again, and no others; else the study goes on."""

    def exchange(self) -> Exchange:
        """Return what whoever runs the trials says to it."""
        said = Exchange(
            self.ask, self.heard, self.progress, self.causes.avoided,
            left_out=lambda: frozenset(self.causes.left_out), noted=self.watcher.noted,
        )  # fmt: skip
        return said if self.answering is None else said._replace(look=self.answering.look, steered=True)

    def ask(self) -> Asked | NotNow | None:
        """Return the next trial; null if there is none, or no room for it."""
        if self.answering is not None:
            self.answering.look()
            if self.answering.holds_back() and self.more():
                return NOT_NOW
        asked = self.search.ask() if self.more() else None
        if asked is not None:
            if self.answering is not None:
                self.answering.running.add(asked.number)
            if self.limits is not None:
                self.limits.started(asked.number)
            self.watcher.started(asked)
        return asked

    def progress(self, number: int, progress: Progress) -> None:
        """Hear that a job of a trial came further."""
        if self.limits is not None:
            self.limits.began(number)
        self.watcher.progress(number, progress)

    def more(self) -> bool:
        """Say whether there is a trial to hand out, room for it, and no limit that it would pass."""
        if self.answering is not None and self.answering.stopped:
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
        if self.answering is not None:
            self.answering.running.discard(number)
        if result.record.state != "complete" and (self.ledger.trial(number) / SKIP).exists():
            self.finish(pruned(result))
            return
        self._do(self.causes.hear(result))

    def end(self) -> None:
        """Settle what was held back, now that no trial runs; write down which limit ended the study, if one has."""
        self._do(self.causes.end())
        if self.limits is not None and (reached := self.limits.reached) is not None:
            self.ledger.publish(self.ledger.ended_file, reached)
            if reached.well:
                self.watcher.noted(reached.text)

    def cut_off(self) -> None:
        """Raise Interrupted if too many trials failed, or its user asked the study to stop."""
        if self.limits is not None:
            self.limits.end()
        if self.answering is not None:
            self.answering.end()

    def _do(self, step: Step) -> None:
        for result in step.publish:
            self.finish(result)
        for result in step.again:
            self.search.again.append(result.record.asked)
            self.watcher.noted(f"trial {result.record.number} is handed out again: {step.why}")
        if step.left_out is not None:
            which = step.left_out
            self.watcher.noted(f"{which} gets no more trials until the study is resumed: {ALIKE} in a row failed there")
        if step.common is not None:
            where = f" on {step.common.host}" if step.common.host else ""
            raise Interrupted(f"trials fail alike{where}: {step.common.text}; {step.common.way_out}, then {self.way}")

    def finish(self, result: Result) -> None:
        """Publish a trial: attacks, then the record that finishes it, then what can be rebuilt from them."""
        record = result.record
        again = self.retrying or (self.answering is not None and record.number in self.answering.retried)
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
