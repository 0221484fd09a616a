"""What a job of a trial is handed."""

from pathlib import Path
from typing import Any, NamedTuple

from harness.ledger import arrived, open_attempt
from harness.records import Asked, Place
from harness.stages.transfer import bring, patiently


class Assignment(NamedTuple):
    """What a job of a trial is handed."""

    asked: Asked
    """What the trial is."""
    place: Place
    """Where its images lie, and how long it may take."""
    attempt: Path
    """Directory of the attempt: the only one that the job writes into, its study's priors apart."""


def attempt_of(job: tuple[Any, ...]) -> Path | None:
    """Return the attempt that a job writes into; null for what belongs to no trial, such as a prior."""
    return job[0].attempt if job and isinstance(job[0], Assignment) else None


def afresh(job: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a lost job as it is handed out again: in an attempt of its own, since its twin may still be running."""
    if attempt_of(job) is None:
        return job
    handed: Assignment = job[0]
    return (handed._replace(attempt=patiently(lambda: open_attempt(handed.attempt.parent))), *job[1:])


def here(job: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a job as this machine has it: of a study in a store, what it reads is brought, and its attempt is made."""
    if attempt_of(job) is None or job[0].place.store is None:
        return job
    handed, url = job[0], job[0].place.store
    attempt = arrived(handed.attempt, url)
    attempt.mkdir(parents=True, exist_ok=True)
    rest = tuple(arrived(each, url) if isinstance(each, Path) else each for each in job[1:])
    for path in (attempt, *(each for each in rest if isinstance(each, Path))):
        bring(path)
    return (handed._replace(attempt=attempt), *rest)
