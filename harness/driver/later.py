"""Attacks on trials that are finished: which of them are left to run, and running them side by side."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from harness.cluster import refuse_full_disk
from harness.driver.causes import ALIKE, cause_of
from harness.errors import Interrupted, UserError
from harness.ledger import REDONE, SERVER, NotAsWritten, TrialFiles, find, open_attempt
from harness.records import AttackJob, AttackRecord, Place, Tell
from harness.stages import LATER, Assignment, Submit
from harness.trial import failed_attack, weights_of


class Task(NamedTuple):
    """An attack that is to run on a trial."""

    files: TrialFiles
    weights: Path
    job: AttackJob
    done: AttackRecord | None
    """What a command that was cut off had finished, but not published."""


def tasks_of(files: TrialFiles, jobs: Iterable[AttackJob], read: bool = True) -> list[Task]:
    """Return what is left to run on a trial, refused if it cannot.

    Args:
        files: The trial.
        jobs: Its attacks.
        read: Whether its network's files are read now; each job reads them again, where it runs.
    """
    if files.record is None:
        raise UserError(f"TRIAL {files.number}: is not finished; `invfront resume` first")
    left = tuple(job for job in jobs if _is_left(files, job))
    if not left:
        return []
    found = find(files.path, left, read)
    if found.trained is None:
        why = "; ".join(note.removesuffix(REDONE) for note in found.notes)
        how = f" ({why}); put back a copy of what was written" if why else ""
        raise UserError(f"TRIAL {files.number}: {files.record.state}, it has no trained network to attack{how}")
    weights = weights_of(files.path, found.trained)
    tasks = [Task(files, weights, job, found.attacks.get(job.name)) for job in left]
    for task in tasks:
        kind = attacks.resolve(task.job.attack)
        needs_server = task.done is None and kind.needs_server and not getattr(kind, "labels_alone", False)
        if needs_server and not (weights / SERVER).exists():
            raise UserError(
                f"TRIAL {files.number}: {task.job.attack} asks the server, and only those of anchors and of the front "
                "are kept, unless the study says `keep: {servers: all}`; take an attack that does not, or such a trial"
            )
    return tasks


def _is_left(files: TrialFiles, job: AttackJob) -> bool:
    """Say whether a trial lacks an attack, or it failed when it was run after the record; else refuse what differs."""
    there = next((attack for attack in files.attacks if attack.job.name == job.name), None)
    if there is None:
        return True
    path = files.path / "attacks" / f"{job.name}.json"
    if there.measured.verdict != "failed":
        if there.job.tune != job.tune:
            raise UserError(
                f"{path}: has been run, tuned over {there.job.tune} settings; take another budget or --seed"
            )
        return False
    if job.name in {own.name for own in files.asked.attacks}:
        raise UserError(f"{path}: failed in the trial itself, whose files stay; take --seed {job.seed + 1}")
    return True


def run_tasks(
    tasks: Sequence[Task],
    place: Place,
    submit: Submit,
    way: str,
    tell: Tell,
    noted: Callable[[str], None],
    look: Callable[[], None] = lambda: None,
) -> Generator[AttackRecord, None, None]:
    """Run attacks side by side, and yield each as it ends; one that an earlier command finished is taken over.

    One whose trained network was altered is left out, which is noted: it has no record of that. Between two of them
    ``look`` is called; what it raises ends the work.

    Raises:
        OSError: the disk is full or read-only.
        Interrupted: an attack cannot read its images, or one after another is failed by its place, wherever it goes;
            the last has no record of that.
    """
    for task in tasks:
        if task.done is not None:
            yield task.done
    left = [task for task in tasks if task.done is None]
    attempts = {path: open_attempt(path) for path in {task.files.path for task in left}}
    jobs = [(Assignment(task.files.asked, place, attempts[task.files.path]), task.weights, task.job) for task in left]
    alike = 0
    with contextlib.closing(submit(LATER, jobs, "attack", tell)) as outcomes:
        for outcome in outcomes:
            handed, _, job = jobs[outcome.number]
            refuse_full_disk(outcome.failure, handed.attempt)
            if outcome.failure is not None and outcome.failure.type == NotAsWritten.__name__:
                noted(f"left out: trial {handed.asked.number}: {outcome.failure.message}")
                continue
            cause = cause_of(outcome.failure)
            alike = alike + 1 if cause is not None and cause.kind == "place" else 0
            if cause is not None and (cause.kind == "yours" or alike == ALIKE):
                raise Interrupted(f"trial {handed.asked.number}: {cause.text}; mend it, then {way}")
            yield outcome.value or failed_attack(handed, job, outcome)
            look()
