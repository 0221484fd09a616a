"""What a study may lie in beside a folder: objects under keys, each there whole or not at all."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple


class Entry(NamedTuple):
    """An object, as a listing tells of it."""

    key: str
    num_bytes: int
    seconds: float
    """When it was written, by the store's own clock, since 1970."""


class Store(ABC):
    """Objects under keys such as ``trials/00017/asked.json``, below one address.

    What is written can be read and is listed from then on, by every machine. Threads may share a store.

    What fails raises OSError whose ``errno`` says what to do about it: EIO passes, perhaps; ENOSPC is full; EACCES is
    for the user to mend. Its ``filename`` is the object's address. Nothing that opens the store is in an error.

    `harness.ledger.testing.LedgerTests` holds a store to all of that.
    """

    url: str
    """The address, without credentials."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return an object. Raises FileNotFoundError if there is none."""

    @abstractmethod
    def write(self, key: str, content: bytes) -> Entry:
        """Put an object, in place of what is there: a reader gets the old one or the new one, and it lasts."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""

    @abstractmethod
    def entry(self, key: str) -> Entry | None:
        """Return what there is to know of an object; null if there is none."""

    @abstractmethod
    def entries(self, folder: str = "") -> Iterator[Entry]:
        """Yield every object below a folder, which is a key's beginning up to a slash; all by default."""

    @abstractmethod
    def folders(self) -> list[str]:
        """Return the names of the folders at the top."""
