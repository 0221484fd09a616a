"""A study as MLflow shows it: one run for the study, one for each of its trials, one for each attack.

MLflow is a view: everything here is written after the record, from the record, by the driver only, and nothing waits
for it. Runs are found again by their tags and never created twice; only that of an attack which failed and was run
again is put in the old one's place. A run is complete when it has ended and its tag ``invfront.logged`` is that of the
attacks as they stand; what a cut-off or a later attack left incomplete, ``backfill`` completes, point by point. A
number that a later attack has changed gets a further point at its step, with a later time.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from harness.credentials import hidden
from harness.errors import cut_off_by
from harness.judging import Outline
from harness.ledger import Ledger, write_whole
from harness.study import Study
from harness.tracking.log import Log
from harness.tracking.pictures import Artifacts
from harness.tracking.store import STORE_FAULTS, Store, connect, fault_line, locate

_LOG = logging.getLogger(__name__)

ENDING_SECONDS = 10.0
"""Longest wait for the run's end when the process ends under it."""


class Tracked(Protocol):
    """What a driver tells of a study that it runs."""

    def backfill(self, outlines: Iterable[Outline]) -> None:
        """Have the study's run opened, and every finished trial and attack logged that the store lacks."""

    def trial(self, outline: Outline) -> None:
        """Have a trial logged whose record is on storage."""

    def finish(self) -> None:
        """Have the study's page logged, whose run then ends FINISHED; wait until all is written."""

    def cut_off(self) -> None:
        """Have the study's run end KILLED, since this process is about to end; called in any thread."""


class Untracked:
    """Shows a study nowhere."""

    def backfill(self, outlines: Iterable[Outline]) -> None:
        """Log nothing."""

    def trial(self, outline: Outline) -> None:
        """Log nothing."""

    def finish(self) -> None:
        """Log nothing."""

    def cut_off(self) -> None:
        """Log nothing."""


class Tracking:
    """Shows one study. The study's run ends FINISHED; FAILED if an error ends the context; KILLED if it is cut off.

    A KILLED or FAILED study's run is found again by a resume, runs on, and ends FINISHED. A thread of its own does all
    that a store may be slow at: every method but ``finish`` returns at once. A store that fails never ends the study:
    one warning is logged, a file in the directory tells ``doctor``, and the next resume logs what is missing.

    Raises:
        UserError: MLflow knows no such kind of address.
    """

    def __init__(self, study: Study, ledger: Ledger, uri: str | None) -> None:
        self._study, self._ledger = study, ledger
        self._out = ledger.root.parent
        self._uri = locate(uri, self._out)
        self._store: Store | None = None
        self._log: Log | None = None
        self._lost = self._lacking = self._ending = False
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._pending: deque[Future[None]] = deque()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the writer end, of a study that was cut off with what it is at; then end that study's run."""
        self._ending = error is not None
        try:
            if error is None:
                self._hand_over(self._flush)
                self.settle()
        finally:
            self._writer.shutdown(wait=True, cancel_futures=error is not None)
        if error is not None:
            killed = cut_off_by(error) is not None or not isinstance(error, Exception)
            self._unless_lost(lambda: self._end("KILLED" if killed else "FAILED"))

    def backfill(self, outlines: Iterable[Outline]) -> None:
        """Have the study's run opened, and every finished trial and attack logged that the store lacks, wholly or not.

        Args:
            outlines: The directory's trials.
        """
        finished = [outline for outline in outlines if outline.finished]
        self._hand_over(lambda: self._backfill(finished))

    def trial(self, outline: Outline) -> None:
        """Have a trial logged whose record is on storage; raises what a defect of ours raised on an earlier one."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()
        self._hand_over(lambda: self._opened.trial(outline))

    def finish(self) -> None:
        """Have the study's file, page, tables and figures put beside its run, which then ends FINISHED; wait for it."""
        self._hand_over(lambda: self._opened.close())
        self.settle()

    def cut_off(self) -> None:
        """Have the study's run end KILLED, unless its end is on the way; wait for it, but not long."""
        if not self._ending:
            self._ending = True
            for waiting in list(self._pending):
                waiting.cancel()
            self._writer.submit(self._unless_lost, lambda: self._end("KILLED"))
        self._ended.wait(ENDING_SECONDS)

    def settle(self) -> None:
        """Wait until all is written that was handed over, and raise what a defect of ours raised."""
        while self._pending:
            self._pending.popleft().result()

    def _backfill(self, finished: list[Outline]) -> None:
        self._store = self._store or connect(self._uri, self._out)
        self._log = log = Log(self._study, self._ledger, self._store, Artifacts(self._store, self._lack))
        log.open()
        for outline in sorted(finished, key=lambda each: not log.is_complete(each)):
            if self._ending:
                return
            log.trial(outline)
        log.caught_up()
        if not self._lacking:
            with contextlib.suppress(OSError):
                self._ledger.untracked.unlink(missing_ok=True)

    def _end(self, status: str) -> None:
        if self._log is not None:
            self._log.end(status)
        self._ended.set()

    def _flush(self) -> None:
        if self._log is not None:
            self._log.caught_up()

    @property
    def _opened(self) -> Log:
        if self._log is None:
            raise RuntimeError("backfill opens a study's run before anything is logged in it")
        return self._log

    def _hand_over(self, action: Callable[[], None]) -> None:
        self._pending.append(self._writer.submit(self._unless_lost, action))

    def _unless_lost(self, action: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            action()
        except STORE_FAULTS as error:
            self._lost = True
            self._lack(f"tracking at {hidden(self._uri)} is lost ({fault_line(error)})")

    def _lack(self, what: str) -> None:
        """Say once what MLflow lacks, and leave a word of it to ``doctor``."""
        self._lacking = True
        _LOG.warning("%s; the study goes on, and its next resume logs what is missing there", what)
        with contextlib.suppress(OSError):
            write_whole(self._ledger.untracked, f"{what}\n".encode())
