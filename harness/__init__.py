"""The harness: data, split models, the trial, search, scheduling, ledger, tracking and the command line."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.tables import StudyTables

__version__ = "0.2.0"


def open(study: str | os.PathLike[str]) -> "StudyTables":  # noqa: A001  # harness.open, as a file is opened
    """Return a study's tables: ``harness.open("runs/mine").trials`` is a data frame, as are ``front``, ``attacks``,
    ``probes``, ``variants``, ``floors`` and ``curves``. Needs no torch; errors as of `harness.tables.StudyTables`.

    Args:
        study: The study's directory, or the ``--out`` that holds just one.
    """
    from harness.tables import StudyTables

    return StudyTables(Path(study))
