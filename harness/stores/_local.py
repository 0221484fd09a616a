"""A store that is a folder, which all machines see."""

import os
from collections.abc import Iterator
from pathlib import Path

from harness.stores.base import Entry, Store
from reports.files import write_whole


class LocalStore(Store):
    """Objects as files below a folder.

    Args:
        root: The folder; it need not be there.
    """

    def __init__(self, root: Path) -> None:
        self._root, self.url = root, root.absolute().as_uri()

    def read(self, key: str) -> bytes:
        return (self._root / key).read_bytes()

    def write(self, key: str, content: bytes) -> Entry:
        return self._entry(write_whole(self._root / key, content))

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)

    def entry(self, key: str) -> Entry | None:
        path = self._root / key
        return self._entry(path) if path.is_file() else None

    def entries(self, folder: str = "") -> Iterator[Entry]:
        for place, _, names in os.walk(self._root / folder):
            yield from (self._entry(Path(place) / name) for name in sorted(names) if not name.startswith("."))

    def folders(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if path.is_dir()) if self._root.is_dir() else []

    def _entry(self, path: Path) -> Entry:
        status = path.stat()
        return Entry(path.relative_to(self._root).as_posix(), status.st_size, status.st_mtime)
