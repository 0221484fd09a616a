"""Whether a study's trials fail so often that no more of them should be handed out."""

import re
from collections import deque
from dataclasses import dataclass, field

from harness.driver.causes import ALIKE
from harness.records import Failure, failure_line

WINDOW = 20
"""Trials that were finished last, of which a share may fail."""

_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass
class Failing:
    """Hears how trials end, and says when that is enough; counts from the time when the study was last started.

    Args:
        share: Of the last ``WINDOW`` trials, which may fail; null for any.
        proven: Whether a trial of the study has ended well before.
    """

    share: float | None
    proven: bool
    _last: deque[Failure | None] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _cause: Failure | None = None
    """How the last trial failed that did."""

    def hear(self, state: str, error: Failure | None) -> None:
        """Take how a trial ended, and the error of one that failed or is partial."""
        failed = state in ("failed", "partial")
        self.proven = self.proven or not failed
        self._cause = error if failed else self._cause
        self._last.append((error or Failure(stage="", type=state, message="")) if failed else None)

    def enough(self) -> str | None:
        """Return why no more trials should be handed out, with the cause; null while they should."""
        failed = [error for error in self._last if error is not None]
        if self.share is None or not failed:
            return None
        if not self.proven and len(failed) >= ALIKE and len({_kind(error) for error in failed}) == 1:
            return f"the first {len(failed)} trials failed alike: {self._told()}"
        if len(failed) > self.share * WINDOW:
            share = (
                f"{len(failed)} of the last {len(self._last)} trials failed (search/limits/failures: {self.share:g})"
            )
            return f"{share}, the last one for {self._told()}"
        return None

    def _told(self) -> str:
        line = failure_line(self._cause)
        return f"{self._cause.stage}: {line}" if self._cause and self._cause.stage else str(line)


def _kind(error: Failure) -> tuple[str, str, str]:
    """Return what errors have in common that differ in numbers alone, such as the step at which a training diverged."""
    return error.stage, error.type, _NUMBER.sub("#", error.message)
