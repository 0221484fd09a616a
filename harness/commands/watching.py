"""``invfront report --watch``: the page is written again whenever the study's directory has changed."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import typer

EVERY_SECONDS = 10.0
"""Between two looks at a study's directory."""

TRIALS = ("trials/*/", "confirm/*/*/")
"""Where trials lie, and the trainings that confirm them."""


class Seen(NamedTuple):
    """What a directory was like; another one after anything in it that a page tells has changed."""

    files: int
    """Of trials: what was asked, records, attacks."""
    newest: int
    """When the last of them was written, ns."""
    running: int
    """Trials that were asked and have no record."""


class Written(NamedTuple):
    """A page that was written."""

    page: Path
    data: Path
    waiting: int
    """Trials of the budget that were not asked yet, and will be."""


def look(root: Path) -> Seen:
    """Return what a study's directory is like now."""
    files, newest, running = 0, _written(root / "study.yaml"), 0
    for folder in (folder for pattern in TRIALS for folder in root.glob(pattern)):
        names = {path.name: path for path in _files(folder)}
        running += "asked.json" in names and "record.json" not in names
        for path in (*names.values(), *_files(folder / "attacks")):
            files, newest = files + 1, max(newest, _written(path))
    return Seen(files, newest, running)


def watch(root: Path, write: Callable[[], Written], wait: Callable[[float], None] = time.sleep) -> Written:
    """Write the page now and whenever the directory has changed, until no trial runs or waits; return the last one.

    Args:
        root: The study's directory.
        write: Writes the page.
        wait: Waits for so many seconds.
    """
    while True:
        seen = look(root)
        written = write()
        typer.echo(f"report: {written.page} at {time.strftime('%H:%M:%S')}")
        while (now := look(root)) == seen:
            if not now.running and not written.waiting:
                return written
            wait(EVERY_SECONDS)


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.name.endswith(".json"))
    except (FileNotFoundError, NotADirectoryError):
        return


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # replaced at this moment, or not there yet
        return 0
