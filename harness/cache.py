"""The image cache: a folder of decoded images that all studies and processes of a machine share, and may lose.

It lies in ``$INVFRONT_CACHE``, else in ``$XDG_CACHE_HOME/invfront``, else in ``~/.cache/invfront``, and is its owner's
alone. ``images/<key>/`` holds a data set's images, ``digests/`` those of its files. Each node makes its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

VARIABLE = "INVFRONT_CACHE"

WAY_OUT = f"set {VARIABLE} to a folder of your own, on a disk with room"

DECODED = ("images", "digests")
"""Its folders of that; copies of studies that lie in stores have one of their own (`harness.ledger.fetching`)."""

BUILDING = ".building"
"""Ending of the folder of images that are being made."""


class Unusable(Exception):  # noqa: N818  # work goes on without the cache
    """Why the cache cannot be used, and the way out; one line."""


class Contents(NamedTuple):
    """What the cache holds."""

    folder: Path
    data_sets: int
    """Of different images or sizes."""
    total_bytes: int


def folder() -> Path:
    """Return where the cache lies; it need not be there."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "invfront"


def room(name: str) -> Path:
    """Return a folder of the cache, made if need be with nobody else's access to it.

    Raises:
        Unusable: it cannot be made, or others may write there.
    """
    with usable():
        made = folder() / name
        made.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.mkdir(mode=0o700, exist_ok=True)
        status = made.stat()
        if status.st_uid != os.getuid():
            raise PermissionError(13, "belongs to someone else", str(made))
        if status.st_mode & 0o077:
            made.chmod(0o700)
    return made


@contextmanager
def usable() -> Iterator[None]:
    """Let what fails in the body be said of the cache.

    Raises:
        Unusable: an operating system's error.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # a home that cannot be told is the latter
        what = getattr(error, "strerror", None) or error
        where = getattr(error, "filename", None) or os.environ.get(VARIABLE) or "~/.cache"
        raise Unusable(f"image cache {where}: {what}; {WAY_OUT}") from error


def held() -> Contents:
    """Return what the cache holds; what vanishes meanwhile is not counted.

    Raises:
        Unusable: there is no telling where it lies.
    """
    with usable():
        there = folder()
    kept = [path for path in (there / "images").glob("*") if path.is_dir() and path.suffix != BUILDING]
    return Contents(there, len(kept), sum(_size(path) for name in DECODED for path in (there / name).rglob("*")))


def clear() -> Contents:
    """Remove what the cache holds, and return what it was; whoever reads it keeps what it reads.

    Raises:
        Unusable: something cannot be removed.
    """
    was = held()
    with usable():
        for name in DECODED:
            if (was.folder / name).is_dir():
                shutil.rmtree(was.folder / name)
    return was


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0
