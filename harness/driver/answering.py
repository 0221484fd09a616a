"""What a user asks of a study while it runs, and what comes of it."""

import shlex
import time
from collections.abc import Callable

from harness.driver.retrying import chosen_trials
from harness.errors import Interrupted, UserError
from harness.judging import Book
from harness.ledger import RETRIED, SKIP, Ledger
from harness.ledger.requests import Asked as Put
from harness.ledger.requests import Requests
from harness.records import Answer, Request
from harness.search import Search
from harness.study.anchors import misfits

LOOK_SECONDS, FAR_SECONDS = 2.0, 5.0
"""Least time between two looks at what was asked, in a folder and in a store."""

PAST = "no driver ran then; a new one goes on"
"""Answers what was asked of a driver before this one."""


class Answering:
    """Does what is asked of a running study; what was asked of an earlier driver's running is past.

    Args:
        ledger: The study's directory.
        book: What is known of its trials.
        search: Decides what is tried next.
        concurrent: Most trials at a time, until something else is asked.
        noted: Hears what was done.
        clock: Returns seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        book: Book,
        search: Search,
        concurrent: int,
        noted: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._book, self._search, self._noted, self._clock = ledger, book, search, noted, clock
        self._requests, self._between = Requests(ledger.root), FAR_SECONDS if ledger.mirror else LOOK_SECONDS
        self._looked = float("-inf")
        self.concurrent = concurrent
        self.paused = self.stopped = False
        self.running: set[int] = set()
        self.skipped: set[int] = set()
        """Trials that the user wants no more of."""
        self.retried: set[int] = set()
        """Trials that have a record and are run again."""
        for put in ledger.patience(self._requests.open):
            if put.request.verb in ("pause", "continue", "stop"):
                self._answer(put, Answer(done=False, text=PAST))
        for put in filter(self._is_lost, self._requests.all()):
            self._carry_out(put)

    def look(self) -> None:
        """Do what was asked since the last look, now and then.

        Raises:
            Interrupted: it was asked to stop now.
        """
        if self._clock() - self._looked < self._between:
            return
        self._looked = self._clock()
        for put in self._ledger.patience(self._requests.open):
            self._carry_out(put)
            if put.request.verb == "stop" and put.request.now:
                self.end()

    def holds_back(self) -> bool:
        """Say whether no trial is handed out for the moment."""
        return self.paused or len(self.running) >= self.concurrent

    def end(self) -> None:
        """Raise Interrupted if the study was asked to stop."""
        if self.stopped:
            root = shlex.quote(str(self._ledger.root))
            raise Interrupted(f"stopped by `invfront ctl {root} stop`; go on with `invfront resume {root}`")

    def _carry_out(self, put: Put) -> None:
        """Do what was asked, and say what came of it."""
        try:
            done = self._do(put)
        except UserError as error:
            self._answer(put, Answer(done=False, text=str(error)))
        else:
            self._answer(put, done)
            self._noted(f"ctl {put.request.words()}: {done.text}")

    def _is_lost(self, put: Put) -> bool:
        """Say whether a trial took settings, and its row was lost before it was asked: the index was made anew."""
        taken = put.answer.trial if put.answer and put.request.verb == "enqueue" else None
        return (
            taken is not None
            and not self._ledger.was_asked(taken)
            and not self._search.has(taken, put.request.settings)
        )

    def _do(self, put: Put) -> Answer:
        """Do what was asked, unless it is done already; return what that was. Raises UserError where it cannot be."""
        request = put.request
        if request.verb == "pause":
            self.paused = True
            return _done("no further trial is handed out; those that run go on")
        if request.verb == "continue":
            self.paused = False
            return _done("trials are handed out")
        if request.verb == "stop":
            self.stopped = True
            return _done("trials that run are cut off" if request.now else "trials that run are finished, then it ends")
        if request.verb == "concurrent" and request.number is not None:
            self.concurrent = request.number
            return _done(f"at most {request.number} trials at a time")
        if request.verb == "skip" and request.number is not None:
            return self._skip(request.number)
        return self._enqueue(put) if request.verb == "enqueue" else self._retry(request)

    def _skip(self, number: int) -> Answer:
        if not self._ledger.was_asked(number):
            raise UserError(f"trial {number} was not asked yet")
        outline = self._book.outlines.get(number)
        if outline is not None and outline.state == "pruned":
            return _done(f"trial {number} is pruned already")
        if outline is not None and outline.finished and number not in self.retried:
            raise UserError(f"trial {number} is {outline.state}")
        self.skipped.add(number)
        self._ledger.write(self._ledger.trial(number) / SKIP, b"")
        return _done(f"trial {number} ends, pruned")

    def _enqueue(self, put: Put) -> Answer:
        request = put.request
        for other in self._requests.all():
            taken = other.answer.trial if other.answer and other.request.settings == request.settings else None
            if taken is not None and self._search.has(taken, request.settings):
                return _done(f"trial {taken} has it already", taken)
        for misfit in misfits(self._search.space, request.settings):
            raise UserError(f"{misfit.path}: {misfit.why}")
        number = self._search.enqueue(request.settings, put.name)
        if number is None:
            raise UserError("no trial waits; `invfront resume STUDY --trials N` gives the study more")
        return _done(f"trial {number} takes it", number)

    def _retry(self, request: Request) -> Answer:
        outline = None if request.number is None else self._book.outlines.get(request.number)
        if outline is not None and outline.tries > 1 and outline.state not in RETRIED:
            return _done(f"trial {outline.number} has been run again: {outline.state}")
        chosen = [request.kind] if request.kind else [str(request.number)]
        again, left_out = chosen_trials(self._ledger, chosen)
        known = {asked.number for asked in self._search.again} | self.running
        new = [asked for asked in again if asked.number not in known]
        self._search.again.extend(new)
        self.retried |= {asked.number for asked in new}
        told = "none failed" if not again else "run again already"
        told = f"trial {', '.join(str(asked.number) for asked in new)} again" if new else told
        return _done("; ".join([told, *left_out]))

    def _answer(self, put: Put, answer: Answer) -> None:
        self._ledger.patience(lambda: self._requests.answer(put, answer))


def _done(text: str, trial: int | None = None) -> Answer:
    return Answer(done=True, text=text, trial=trial)
