"""Trials, scores and times as a display and a summary spell them."""

from harness.judging import JudgedTrial
from harness.records import Failure, Progress, failure_line

IMAGES = "images"
"""What progress calls the decoding of images."""


def scores(trial: JudgedTrial) -> str:
    """Return a trial's objectives and the attack that decides its mse; its accuracy alone if there is no more."""
    found, record = trial.objectives, trial.record
    if found is not None:
        return f"accuracy {found.accuracy:.3f}, mse {found.mse:.4f}, ssim {found.ssim:.3f} ({found.mse_attack})"
    known = record is not None and record.measured.accuracy is not None
    return f"accuracy {record.measured.accuracy:.3f}" if known and record else ""


def failure(error: Failure) -> str:
    """Return an error in one line."""
    return f"{error.stage}: {failure_line(error)}"


def preparation(progress: Progress) -> str:
    """Return what is made before the first trial, and how far it is where that is counted."""
    if progress.job != IMAGES:
        return f"training the {progress.job}"
    return f"decoding images: {progress.done:,} of {progress.total:,}"


def duration(seconds: float | None) -> str:
    """Return ``m:ss`` or ``h:mm:ss``; ``unknown`` for null."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
