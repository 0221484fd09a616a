"""What the processes of an attempt print and warn, kept beside what they measure."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

LOG = "log.txt"
"""An attempt's file of it."""

MOST_BYTES = 2**20
"""Largest log, but for what is printed within ``LOOK_SECONDS``."""

HEAD_BYTES = 2**16
"""How much of the beginning is kept of one that grew beyond; the rest of what is kept is its end."""

TAIL_BYTES = 2_000
"""How much of the end a failure carries."""

LOOK_SECONDS = 1.0


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """Send what this process prints to a file, while the body runs.

    The descriptors themselves are moved, so that libraries in C, and the last words of a process that dies, are caught
    too. Jobs of one attempt that run side by side share the file. Where it cannot be written, nothing is caught.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        yield
        return
    over = threading.Event()
    looking = threading.Thread(target=_keep_short, args=(path, over), daemon=True)
    looking.start()
    try:
        with _moved(1, file), _moved(2, file):
            yield
    finally:
        over.set()
        looking.join()
        os.close(file)


def log_of(attempt: Path) -> str:
    """Return what was logged in an attempt; empty if nothing was."""
    with contextlib.suppress(OSError):
        return (attempt / LOG).read_text(errors="replace")
    return ""


def tail(attempt: Path, most: int = TAIL_BYTES) -> str | None:
    """Return the last whole lines that were logged in an attempt, in at most so many bytes; null if nothing was."""
    with contextlib.suppress(OSError), (attempt / LOG).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        last = file.read().decode(errors="replace")
        if size > most:
            last = last.partition("\n")[2] or last
        return last.strip("\n") or None
    return None


@contextlib.contextmanager
def _moved(number: int, file: int) -> Iterator[None]:
    """Let a descriptor of this process lead to a file while the body runs."""
    _flush()
    before = os.dup(number)
    os.dup2(file, number)
    try:
        yield
    finally:
        _flush()
        os.dup2(before, number)
        os.close(before)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, broken or closed
            stream.flush()


def _keep_short(path: Path, over: threading.Event) -> None:
    ended = False
    while not ended:
        ended = over.wait(LOOK_SECONDS)
        with contextlib.suppress(OSError):
            shorten(path)


def shorten(path: Path) -> None:
    """Cut the middle out of a log that has grown beyond its most, so that half of that is left, and say so there.

    The file stays the same one, since processes that append have it open; a line that is printed meanwhile may be lost.
    """
    if path.stat().st_size <= MOST_BYTES:
        return
    with path.open("r+b") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, os.SEEK_END)
        file.seek(size - (MOST_BYTES // 2 - HEAD_BYTES))
        end = file.read()
        left_out = size - len(head) - len(end)
        file.seek(0)
        file.write(head + f"\n[{left_out} bytes were left out here]\n".encode() + end)
        file.truncate()
