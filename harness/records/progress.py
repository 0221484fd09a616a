"""How far a job has come, as its trial, its driver and a display hear it."""

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a job has come."""

    job: str
    """``train``, or an attack job's name."""
    done: int
    """Epochs done; of an attack, 0 when it starts, then a step of its present loop, 1 of 1 when it ends."""
    total: int
    """Of them in all; less than that are done as long as the job runs."""
    accuracy: float | None = None
    """On the epoch's training batches, in [0, 1]."""


Tell = Callable[[Progress], None]
"""Hears of a job's progress."""
