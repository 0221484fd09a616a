"""Work on a study under a display: how it is cut off, and what is said when it ends."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.errors import Interrupted

if TYPE_CHECKING:
    from harness.driver import Endpoints, Watcher
    from harness.judging import Status

NONE_SUCCEEDED = 3
"""Exit code of a study whose budget is spent and of which no trial succeeded."""


def work(drive: "Callable[[Watcher], Status]", where: "Endpoints", root: Path) -> int:
    """Drive a study under a display, and say how it ended."""
    from harness.commands.summary import summarise
    from harness.display import watching

    with terminable(f"go on with `invfront resume {root}`"), watching() as watcher:
        now = drive(watcher)
    for line in summarise(now, root, where.tracking):
        typer.echo(line)
    return 0 if now.states["complete"] else NONE_SUCCEEDED


@contextlib.contextmanager
def terminable(way: str) -> Iterator[None]:
    """Let SIGTERM end the body as Ctrl-C does; ``way`` is a clause that says how to go on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except SystemExit as end:  # Ray's own handler, while Ray starts
        if end.code != signal.SIGTERM:
            raise
        raise Interrupted(f"ended by SIGTERM; {way}") from None
