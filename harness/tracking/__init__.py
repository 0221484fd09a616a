"""A study as MLflow shows it."""

from harness.tracking.runs import Tracking

__all__ = [
    "Tracking",
]
