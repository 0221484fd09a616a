"""Where a job ran and what it took by itself, as whoever waits for it sees it: from its first sign on."""

import time
from datetime import UTC, datetime
from typing import NamedTuple


class Site(NamedTuple):
    """Where a job runs: the first thing that it says."""

    node: str
    """Host name."""
    device: str
    """The accelerator's name, or ``cpu``."""


class Spent(NamedTuple):
    """What a job took."""

    started: str
    """UTC, ISO 8601."""
    seconds: float
    site: Site | None = None
    """Null if the job never gave a sign."""
    peak_memory_bytes: int = 0
    """0 where nobody looked."""
    cpu_seconds: float | None = None
    """Of processors, all threads added; null where nobody looked."""


class Stopwatch:
    """A job's own time: it runs from the first sign on, and stands still while a lost job waits for its next start."""

    def __init__(self) -> None:
        self._site: Site | None = None
        self._started: str | None = None
        self._since: float | None = None
        self._seconds = 0.0

    def start(self, site: Site | None = None) -> None:
        """Run from now on; ``site`` is null where it is not known."""
        self._site, self._started = site or self._site, self._started or _now()
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        """Stand still."""
        self._seconds, self._since = self._elapsed(), None

    def read(self) -> Spent:
        """Return what was spent so far; of a job that never gave a sign, no time."""
        return Spent(self._started or _now(), round(self._elapsed(), 3), self._site)

    def _elapsed(self) -> float:
        return self._seconds + (0.0 if self._since is None else time.monotonic() - self._since)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
