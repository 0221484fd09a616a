"""What a job of a trial is handed."""

from pathlib import Path
from typing import NamedTuple

from harness.records import Asked, Place


class Assignment(NamedTuple):
    """What a job of a trial is handed."""

    asked: Asked
    """What the trial is."""
    place: Place
    """Where its images lie, and how long it may take."""
    attempt: Path
    """Directory of the attempt: the only one that the job writes into, its study's priors apart."""
