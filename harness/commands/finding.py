"""Which study a command means."""

from pathlib import Path
from typing import Annotated

import typer

StudyPath = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study's directory, or the --out that holds just one.")
]


def find_study(path: Path) -> Path:
    """Return the directory of the study that a path stands for; errors as of `harness.ledger.find_study`."""
    from harness.ledger import find_study as found

    return found(path)
