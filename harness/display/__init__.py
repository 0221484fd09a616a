"""Shows a running study: a live picture on a terminal, plain lines anywhere else."""

import contextlib
import os
import sys
from collections.abc import Iterator

from rich.console import Console

from harness.display.lines import Lines
from harness.display.live import Picture
from harness.display.story import Story


@contextlib.contextmanager
def watching() -> Iterator[Lines | Picture]:
    """Yield a watcher that shows what it hears on standard output until the body ends."""
    if not _draws():
        yield Lines(sys.stdout, Story())
        return
    with Picture(Console(), Story()) as picture:
        yield picture


def _draws() -> bool:
    """Say whether standard output is a terminal that can be drawn on and may be coloured."""
    plain = os.environ.get("TERM", "dumb") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return sys.stdout.isatty() and not plain
