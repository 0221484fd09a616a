"""Which folders of this machine are copies of studies that lie in a store, and what goes to and fro by path alone."""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from harness import cache
from harness.errors import UserError
from harness.ledger.keys import FOLDERS
from harness.ledger.mirror import Mirror
from harness.ledger.whole import write_whole
from harness.stores import open_store

MARK = ".store"
"""In a folder that is a mirror: the address of its study."""

MIRRORS = "stores"
"""Folder of them in this machine's cache."""


def mirror_at(url: str) -> Mirror:
    """Return this machine's mirror of a study, made if it is not there.

    Args:
        url: Of the study.

    Raises:
        UserError: it cannot be made, or there is no such kind of store.
    """
    store = open_store(url)
    out, _, name = url.rpartition("/")
    try:
        parent = cache.room(MIRRORS) / hashlib.sha256(out.encode()).hexdigest()[:16]
        root = parent / name
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (root / MARK).exists():
            write_whole(root / MARK, url.encode())
    except (OSError, cache.Unusable) as error:
        raise UserError(f"{url}: this machine's copy of it: {error}") from error
    return Mirror(root.resolve(), store)


def mirror_of(root: Path) -> Mirror | None:
    """Return the mirror that a study's folder is; null if it lies in no store."""
    mark = root / MARK
    return Mirror(root, open_store(mark.read_text())) if mark.exists() else None


def address(root: Path) -> str:
    """Return how a user names a study: by its store's address, or else its folder."""
    with contextlib.suppress(OSError):
        return (root / MARK).read_text()
    return str(root)


def in_words(text: str) -> str:
    """Return a text in which mirrors are called by their stores' addresses."""
    with contextlib.suppress(RuntimeError):  # there is no telling where the cache lies
        there = re.escape(str((cache.folder() / MIRRORS).resolve()))
        return re.sub(rf"{there}/\w+/[\w.\-]*\w", lambda found: address(Path(found[0])), text)
    return text


def arrived(path: Path, url: str | None) -> Path:
    """Return where a file or folder of a study lies on this machine.

    Args:
        path: Where it lies on the machine that speaks of it.
        url: The study's address; null where it lies in a folder, which all machines see alike.
    """
    return path if url is None else mirror_at(url).root / path.relative_to(study_of(path))


def fetch(path: Path, pattern: str = "*") -> set[str]:
    """Bring what the store holds of a file or folder of a study, as ``Mirror.fetch`` does; nothing without a store."""
    mirror = mirror_of(study_of(path))
    return set() if mirror is None else mirror.fetch(path, pattern)


def send(path: Path) -> None:
    """Put a file or a folder of a study into its store, as ``Mirror.send`` does; nothing without a store."""
    mirror = mirror_of(study_of(path))
    if mirror is not None:
        mirror.send(path)


def drop(folders: Sequence[Path], pattern: str) -> None:
    """Remove what matches a pattern in folders of one study, in its store too."""
    mirror = mirror_of(study_of(folders[0])) if folders else None
    if mirror is not None:
        mirror.drop(folders, pattern)
    for path in (path for folder in folders for path in folder.glob(pattern)):
        path.unlink(missing_ok=True)


def study_of(path: Path) -> Path:
    """Return the directory of the study that a file or folder is of; itself where it lies in none."""
    return next((each.parent for each in (path, *path.parents) if each.name in FOLDERS), path)
