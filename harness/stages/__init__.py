"""What one job does in one process: train the network, or attack it; knows no scheduler.

This door needs no torch: it hands jobs out by name. What does a job's work is imported from its own module.
"""

from harness.stages.assignment import Assignment, afresh, attempt_of, here
from harness.stages.circumstances import circumstances, software
from harness.stages.jobs import (
    ATTACK,
    CALIBRATE,
    FAST,
    LATER,
    PRIOR,
    RUN,
    TRAIN,
    Outcome,
    Stage,
    Submit,
    call,
    drain,
    failure_of,
)
from harness.stages.spent import Site, Spent, Stopwatch

__all__ = [
    "ATTACK",
    "CALIBRATE",
    "FAST",
    "LATER",
    "PRIOR",
    "RUN",
    "TRAIN",
    "Assignment",
    "Outcome",
    "Site",
    "Spent",
    "Stage",
    "Stopwatch",
    "Submit",
    "afresh",
    "attempt_of",
    "call",
    "circumstances",
    "drain",
    "failure_of",
    "here",
    "software",
]
