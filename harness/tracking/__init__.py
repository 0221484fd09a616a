"""A study as MLflow shows it."""

from harness.tracking.confirms import log_confirms
from harness.tracking.tracking import Tracked, Tracking, Untracked

__all__ = [
    "Tracked",
    "Tracking",
    "Untracked",
    "log_confirms",
]
