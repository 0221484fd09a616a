"""How long a driver tries again what a server or a disk refuses for the moment."""

import errno
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from harness.errors import Interrupted

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

PASSING = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Faults of a database that may pass: it is away, locked, full, or read-only for the moment."""

TRANSIENT = (
    errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETUNREACH, errno.ECONNRESET, errno.ECONNABORTED, errno.EAGAIN, errno.ENOLCK,
)  # fmt: skip
"""Errors of a shared file system or a connection that may pass."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two tries; each pause is twice the last."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Tries again for so long, and then ends resumable.

    Args:
        seconds: How long; 0 gives up at once.
        way: How to go on later, a clause.
    """

    seconds: float = 0.0
    way: str = ""

    def __call__(self, action: Callable[[], T], mend: Callable[[], object] | None = None) -> T:
        """Return what an action gives, tried again while the storage's fault may pass; other errors are raised.

        Args:
            action: What is tried.
            mend: Called before a further try, to bring up to date what a try that failed half-way has changed.

        Raises:
            Interrupted: the storage did not come back in time.
        """
        begun, pause, failed, what = time.monotonic(), FIRST_PAUSE, False, ""
        while True:
            try:
                if failed and mend is not None:
                    mend()
                result = action()
            except Exception as error:
                fault = passing(error)
                if fault is None or not self.seconds:
                    raise
                left = begun + self.seconds - time.monotonic()
                if left <= 0:
                    raise Interrupted(f"{fault} for {self.seconds:.0f} s; {self.way}") from error
                if not failed:
                    _LOG.warning("%s; trying again for up to %.0f s (resources/patience)", fault, self.seconds)
                    what = fault.partition(":")[0]
                failed = True
                time.sleep(min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if failed:
                    _LOG.warning("%s: answers again after %.0f s", what, time.monotonic() - begun)
                return result


def passing(error: BaseException | None) -> str | None:
    """Return a fault of a storage or a disk that may pass, wrapped or not, on one line; null of any other error."""
    while error is not None:
        if isinstance(error, PASSING):
            return f"storage: {type(getattr(error, 'orig', None) or error).__name__}"
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            return f"{error.filename or 'disk'}: {error.strerror or os.strerror(error.errno)}"
        error = error.__cause__
    return None
