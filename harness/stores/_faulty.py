"""A store that misbehaves as networks and disks do, around one that does not."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from harness.stores.base import Entry, Store

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How a store misbehaves.

    Args:
        every: Which calls fail: the n-th, the 2n-th and so on; 0 for none.
        of: What is counted: ``write``, ``read``, ``delete`` or ``list``.
        done: Whether a call that fails has done its work: what is lost is the answer.
        once: Whether only the n-th fails.
        error: What it says; null ends its process there, and nothing that is to be tidied up is.
        seconds: What each call takes beside.
        room: Bytes that it takes before it is full; null for any number.
    """

    every: int = 0
    of: tuple[str, ...] = ("write",)
    done: bool = False
    once: bool = False
    error: int | None = errno.EIO
    seconds: float = 0.0
    room: int | None = None


FAULTS = {
    "none": Fault(),
    "slow": Fault(seconds=0.002),
    **{f"every {n}th write fails": Fault(every=n) for n in (2, 3, 5)},
    **{f"every {n}th write is done, and says that it failed": Fault(every=n, done=True) for n in (2, 3)},
    "every 2nd read fails": Fault(every=2, of=("read",)),
    "every 3rd listing fails": Fault(every=3, of=("list",)),
    "every 4th call fails": Fault(every=4, of=("write", "read", "list", "delete")),
    "full at once": Fault(room=0),
    **{f"full after {room} bytes": Fault(room=room) for room in (1_000, 4_000, 8_000)},
    "closed to this user": Fault(every=1, error=errno.EACCES),
    **{f"killed before write {n}": Fault(every=n, once=True, error=None) for n in range(1, 9)},
    **{f"killed after write {n}": Fault(every=n, once=True, done=True, error=None) for n in range(1, 9)},
    "killed while it reads": Fault(every=3, of=("read",), once=True, error=None),
}
"""What every store, the ledger in it and the scheduler above have to bear without losing or doubling a trial."""


class Killed(BaseException):
    """A process ends here; what catches errors does not catch this."""


class FaultyStore(Store):
    """A store with a fault.

    Args:
        store: The one that does the work.
        fault: How it misbehaves.
    """

    def __init__(self, store: Store, fault: Fault) -> None:
        self._store, self._fault, self.url = store, fault, store.url
        self.calls, self._taken, self._lock = 0, 0, threading.Lock()

    def read(self, key: str) -> bytes:
        return self._do("read", key, lambda: self._store.read(key))

    def write(self, key: str, content: bytes) -> Entry:
        self._take(key, len(content))
        return self._do("write", key, lambda: self._store.write(key, content))

    def delete(self, key: str) -> None:
        return self._do("delete", key, lambda: self._store.delete(key))

    def entry(self, key: str) -> Entry | None:
        return self._store.entry(key)

    def entries(self, folder: str = "") -> Iterator[Entry]:
        yield from self._do("list", folder, lambda: list(self._store.entries(folder)))

    def folders(self) -> list[str]:
        return self._store.folders()

    def _take(self, key: str, num_bytes: int) -> None:
        with self._lock:
            self._taken += num_bytes
            full = self._fault.room is not None and self._taken > self._fault.room
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{self.url}/{key}")

    def _do(self, what: str, key: str, action: Callable[[], T]) -> T:
        time.sleep(self._fault.seconds)
        fails = what in self._fault.of and self._is_due()
        if not fails or self._fault.done:
            result = action()
        if not fails:
            return result
        if self._fault.error is None:
            raise Killed
        raise OSError(self._fault.error, os.strerror(self._fault.error), f"{self.url}/{key}")

    def _is_due(self) -> bool:
        """Count a call, and say whether it is one that fails."""
        with self._lock:
            self.calls += 1
            every, once = self._fault.every, self._fault.once
            return self.calls == every if once else bool(every) and self.calls % every == 0
