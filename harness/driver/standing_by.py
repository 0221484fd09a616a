"""What a user asks of a driver that hands out no trials of a search: one that confirms, or runs further attacks."""

import time
from collections.abc import Callable
from functools import partial

from harness.driver.answering import FAR_SECONDS, LOOK_SECONDS, PAST
from harness.errors import Interrupted
from harness.ledger import Ledger
from harness.ledger.requests import Requests
from harness.records import Answer


class StandingBy:
    """Heeds ``stop``, and refuses what steers trials that are not there; what the search can do later waits for it.

    Args:
        ledger: The study's directory.
        way: How to go on, a clause.
        noted: Hears what was done.
        clock: Returns seconds.
    """

    def __init__(
        self, ledger: Ledger, way: str, noted: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._way, self._noted, self._clock = ledger, way, noted, clock
        self._requests, self._between = Requests(ledger.root), FAR_SECONDS if ledger.mirror else LOOK_SECONDS
        self._looked = float("-inf")
        self._heed(lambda: Answer(done=False, text=PAST))

    def look(self) -> None:
        """Do what was asked since the last look, now and then.

        Raises:
            Interrupted: it was asked to stop.
        """
        if self._clock() - self._looked < self._between:
            return
        self._looked = self._clock()
        if self._heed(lambda: Answer(done=True, text=f"what runs is cut off; {self._way}")):
            raise Interrupted(f"stopped by `invfront ctl stop`; {self._way}")

    def _heed(self, stopping: Callable[[], Answer]) -> bool:
        """Answer what cannot wait for a search; say whether it was asked to stop."""
        stopped = False
        for put in self._ledger.patience(self._requests.open):
            verb, answer = (
                put.request.verb,
                Answer(done=False, text="no trials are handed out now; `stop` ends the work"),
            )
            if verb == "stop":
                stopped, answer = True, stopping()
                self._noted(f"ctl {put.request.words()}: {answer.text}")
            elif verb not in ("pause", "continue", "concurrent"):
                continue
            self._ledger.patience(partial(self._requests.answer, put, answer))
        return stopped
