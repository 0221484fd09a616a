"""A store that lasts as long as its process, for tests."""

import errno
import os
import time
from collections.abc import Iterator

from harness.stores.base import Entry, Store


class MemoryStore(Store):
    """Objects in a dictionary.

    Args:
        url: Its address.
    """

    def __init__(self, url: str = "memory://store") -> None:
        self.url = url
        self._objects: dict[str, tuple[bytes, float]] = {}

    def read(self, key: str) -> bytes:
        try:
            return self._objects[key][0]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.url}/{key}") from None

    def write(self, key: str, content: bytes) -> Entry:
        self._objects[key] = (content, float(int(time.time())))  # whole seconds, as S3 tells them
        return Entry(key, len(content), self._objects[key][1])

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def entry(self, key: str) -> Entry | None:
        found = self._objects.get(key)
        return None if found is None else Entry(key, len(found[0]), found[1])

    def entries(self, folder: str = "") -> Iterator[Entry]:
        below = f"{folder}/" if folder else ""
        for key, (content, seconds) in sorted(self._objects.items()):
            if key.startswith(below):
                yield Entry(key, len(content), seconds)

    def folders(self) -> list[str]:
        return sorted({key.partition("/")[0] for key in self._objects if "/" in key})
