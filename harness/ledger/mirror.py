"""A study in a store, as one machine has it: a folder, into which files come when they are needed.

The store is the truth. What is published goes there first; what is read is compared with it when a study is opened. A
folder of a study that lies in no store has no mark, and nothing here does anything to it.
"""

import contextlib
import fnmatch
import itertools
import os
import random
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from filelock import FileLock

from harness.ledger.keys import (
    CHECKPOINTS,
    SERVER,
    attempt_in,
    is_attempts,
    is_checkpoint,
    is_of_the_machine,
    is_told,
)
from harness.stores import Entry, Store

LOCK = ".store.lock"
"""Held while one of its files is replaced, by whichever process of this machine."""

SIDE_BY_SIDE = 16
"""Objects that are brought at a time: what takes long is the way."""

BEHIND_SECONDS = 1.0
"""By how much a file's time may differ from its object's: stores tell whole seconds."""

CLAIM = "claim-"
"""How an object's name begins by which a process takes the number of an attempt."""


class Mirror:
    """A study's folder on this machine.

    Args:
        root: The folder.
        store: The study's.
    """

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store
        self._lock = FileLock(root / LOCK)

    def pull(self) -> None:
        """Bring all that says what the study is and what has become of it, and remove what the store has no more; what
        is in attempts, large and seldom read, comes when it is asked for.
        """
        there = {entry.key: entry for entry in self.store.entries() if is_told(entry.key)}
        self._bring(there.values())
        for path in [*self._here(self.root)]:
            key = self._key(path)
            if key not in there and is_told(key) and self.store.entry(key) is None:
                path.unlink(missing_ok=True)

    def fetch(self, path: Path, pattern: str = "*") -> set[str]:
        """Bring what a file or a folder holds in the store; attempts that went there go here. Return the keys.

        Args:
            path: On this machine.
            pattern: Of the paths below the folder; of checkpoints, which are large, ``CHECKPOINTS`` alone.
        """
        key = self._key(path)
        there = list(self.store.entries(key))
        if not there and key and (alone := self.store.entry(key)) is not None:
            there = [alone]
        below = f"{key}/" if key else ""
        wanted = [
            entry
            for entry in there
            if entry.key == key
            or (
                fnmatch.fnmatch(entry.key.removeprefix(below), pattern)
                and (pattern == CHECKPOINTS or not is_checkpoint(PurePosixPath(entry.key).name))
            )
        ]
        self._bring(wanted)
        self._forget(path, {entry.key for entry in there})
        return {entry.key for entry in wanted}

    def send(self, path: Path) -> None:
        """Put a file, or all files of a folder, into the store, what says that others are whole at the end. Checkpoints
        there that are older than those here go.
        """
        sent = {path} if path.is_file() else set(self._here(path))
        key = self._key(path)
        there = {entry.key: entry for entry in self.store.entries(key)}
        for each in sorted(sent, key=lambda file: (file.suffix == ".json", file)):
            with contextlib.suppress(FileNotFoundError):  # a checkpoint that has gone meanwhile
                if not self._is_same(each, there.get(self._key(each))):
                    self._put(each)
        oldest: dict[str, str] = {}
        for file in filter(lambda each: is_checkpoint(each.name), sent):
            folder = self._key(file.parent)
            oldest[folder] = min(file.name, oldest.get(folder, file.name))
        for known in map(PurePosixPath, there):
            if is_checkpoint(known.name) and known.name < oldest.get(str(known.parent), ""):
                self.store.delete(str(known))

    def put(self, path: Path, content: bytes) -> None:
        """Put a file into the store, and then here."""
        with self._lock:
            entry = self.store.write(self._key(path), content)
            _lay(path, content, entry)

    def remove(self, path: Path) -> None:
        """Remove a file, there and here."""
        with self._lock:
            self.store.delete(self._key(path))
            path.unlink(missing_ok=True)

    def drop(self, folders: Iterable[Path], pattern: str) -> None:
        """Remove the files below folders whose paths in them match a pattern, there and here."""
        keys = {f"{self._key(folder)}/" for folder in folders}
        tops = {key.split("/")[0] for key in keys} if len(keys) > 1 else {key.rstrip("/") for key in keys}
        for entry in [entry for top in sorted(tops) for entry in self.store.entries(top)]:
            if any(entry.key.startswith(key) and fnmatch.fnmatch(entry.key.removeprefix(key), pattern) for key in keys):
                self.remove(self.root / entry.key)

    def settle(self, fetched: set[str]) -> None:
        """Make the store what is here, where someone has mended what is here; the caller holds the lease.

        Args:
            fetched: Keys of what had been brought for that: of these, what is here no more goes there too.
        """
        self.send(self.root)
        here = {self._key(path) for path in self._here(self.root)}
        for key in sorted(fetched - here):
            self.store.delete(key)

    def claim(self, trial: Path) -> Path:
        """Make and return the directory of a new attempt; no process on any machine gets the same one.

        Whoever finds its own claim alone has it. Of two that claim one number at once, both find both, and take a later
        one: the store lists what was written before.
        """
        number, token = 1, f"{CLAIM}{secrets.token_hex(8)}"
        for tries in itertools.count(1):
            known = {attempt_in(entry.key) for entry in self.store.entries(self._key(trial))}
            here = {attempt_in(self._key(path) + "/") for path in trial.glob("attempt-*")}
            number = max(number, 1 + max(known | here, default=0))
            path = trial / f"attempt-{number}"
            self.store.write(self._key(path / token), b"")
            if [entry.key for entry in self.store.entries(self._key(path))] == [self._key(path / token)]:
                path.mkdir(parents=True, exist_ok=True)
                return path
            time.sleep(random.uniform(0, 0.1 * tries))
        raise AssertionError("there is always a further number")

    def num_bytes(self) -> Iterator[tuple[PurePosixPath, int]]:
        """Yield every file's path below the study, and its size."""
        return ((PurePosixPath(entry.key), entry.num_bytes) for entry in self.store.entries())

    def _forget(self, trial: Path, there: set[str]) -> None:
        """Remove the attempts of a trial that have been cleaned away elsewhere, and the servers that were let go."""
        for attempt in trial.glob("attempt-*"):
            key, server = self._key(attempt), attempt / SERVER
            if not any(each.startswith(f"{key}/") for each in there) and not any(True for _ in self.store.entries(key)):
                shutil.rmtree(attempt, ignore_errors=True)
            elif f"{key}/train.json" in there and f"{key}/{SERVER}" not in there:
                server.unlink(missing_ok=True)

    def _bring(self, entries: Iterable[Entry]) -> None:
        lacking = [entry for entry in entries if self._lacks(entry)]
        if len(lacking) < 4:
            for entry in lacking:
                self._take(entry)
            return
        with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
            list(side_by_side.map(self._take, lacking))

    def _lacks(self, entry: Entry) -> bool:
        """Say whether a file is not here as the store has it. What an attempt writes is written once, but for its log,
        which goes on here while it runs.
        """
        path = self.root / entry.key
        if not is_attempts(entry.key):
            return not self._is_same(path, entry)
        try:
            return path.stat().st_mtime < entry.seconds - BEHIND_SECONDS
        except FileNotFoundError:
            return True

    def _take(self, entry: Entry) -> None:
        """Bring an object, unless its file was replaced meanwhile; one that has gone meanwhile is not there."""
        path = self.root / entry.key
        before = _stamp(path)
        try:
            content = self.store.read(entry.key)
        except FileNotFoundError:
            return
        with self._lock:
            if _stamp(path) == before:
                _lay(path, content, entry)

    def _put(self, path: Path) -> None:
        content = path.read_bytes()
        entry = self.store.write(self._key(path), content)
        if path.stat().st_size == len(content):
            _settle(path, entry)

    def _is_same(self, path: Path, entry: Entry | None) -> bool:
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        return (
            entry is not None
            and status.st_size == entry.num_bytes
            and abs(status.st_mtime - entry.seconds) < BEHIND_SECONDS
        )

    def _here(self, folder: Path) -> Iterator[Path]:
        """Yield the files of a folder that belong into the store."""
        for place, _, names in os.walk(folder):
            yield from (Path(place) / name for name in sorted(names) if not is_of_the_machine(name))

    def _key(self, path: Path) -> str:
        key = path.relative_to(self.root).as_posix()
        return "" if key == "." else key


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _lay(path: Path, content: bytes, entry: Entry) -> None:
    """Write a copy of an object, whole, but not brought to the disk: what a power cut takes is brought again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_bytes(content)
        _settle(temporary, entry)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _settle(path: Path, entry: Entry) -> None:
    """Give a file the time of its object, by which the two are known to be the same."""
    os.utime(path, (entry.seconds, entry.seconds))
