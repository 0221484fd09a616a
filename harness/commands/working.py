"""Work on a study under a display, and what is said when it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.commands.ending import terminable
from harness.commands.options import remarks_apart, say

if TYPE_CHECKING:
    from harness.driver import Endpoints, Watcher
    from harness.judging import Status

NONE_SUCCEEDED = 3
"""Exit code of a study of which no trial succeeded, though no limit of its own ended it."""


def remembered(
    root: Path, address: str | None, storage: str | None, tracking: str | None, tracked: bool
) -> "Endpoints":
    """Return where a study that is there runs and writes: as told now, else as its file remembers."""
    from harness.driver import Endpoints
    from harness.study import load_study

    there = load_study(root / "study.yaml")
    return Endpoints(
        address=address, storage=storage or there.storage, tracking=tracking or there.tracking, tracked=tracked
    )


def work(drive: "Callable[[Watcher], Status]", where: "Endpoints", root: Path, as_json: bool) -> int:
    """Drive a study under a display, and say how it ended."""
    from harness.commands.summary import summarise, summary_document
    from harness.display import watching
    from harness.driver.faults import resume_of
    from harness.ledger import Ledger

    with (
        remarks_apart(as_json),
        terminable(lambda: resume_of(root)),
        watching() as watcher,
    ):
        now = drive(watcher)
    if as_json:
        say(summary_document(now, root, where.tracking, where.tracked))
    else:
        for line in summarise(now, root, where.tracking, where.tracked):
            typer.echo(line)
    ended = Ledger(root).ended()
    return 0 if now.states["complete"] or (ended is not None and ended.well) else NONE_SUCCEEDED
