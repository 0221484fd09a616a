"""One trial: train a defended split network, attack it, and record what was measured."""

from pathlib import Path
from typing import NamedTuple

from harness.judging import candidates, verdicts, worst_case
from harness.ledger import Found, attempt_number, attempts, fetch, find, open_attempt, read_value, write_whole
from harness.records import (
    Asked,
    AttackJob,
    AttackMeasured,
    AttackRecord,
    Circumstances,
    Measured,
    Place,
    Record,
    State,
    Tell,
    Trained,
)
from harness.stages import ATTACK, TRAIN, Assignment, Outcome, Stopwatch, Submit, call, circumstances
from harness.stages.transfer import patiently, put

HERE = Place()
"""Bundled images, on this machine."""


class Result(NamedTuple):
    """How a trial ended, for its caller to publish."""

    attempt: Path
    """The last attempt's directory."""
    record: Record
    attacks: tuple[AttackRecord, ...]
    node: str | None = None
    """The cluster's own name of the node that its last job ran on; null where there is no cluster, or nobody knows."""


def run_trial(
    asked: Asked, trial: Path, place: Place = HERE, submit: Submit = call, tell: Tell = lambda progress: None
) -> Result:
    """Run a trial to its record. Stages that an earlier attempt finished are taken over, not run again.

    Args:
        asked: What the trial is.
        trial: The trial's directory; a new attempt is opened in it, and nothing else in it is written.
        place: Where its images lie, and how long it may take; bundled images by default.
        submit: Runs jobs; in this process by default.
        tell: Hears of the progress of jobs.

    Returns:
        The record and the attacks' records.
    """
    handed = Assignment(asked, place, patiently(lambda: open_attempt(trial)))
    found = patiently(lambda: find(trial, asked.attacks))

    trained = found.trained
    if trained is None:
        (outcome,) = submit(TRAIN, [(handed,)], "train", tell)
        trained = outcome.value
    if trained is None:
        return Result(handed.attempt, _failed(handed, found, outcome), ())

    weights = weights_of(trial, trained)
    attacks = dict(found.attacks)
    open_jobs = [job for job in asked.attacks if job.name not in attacks]
    for outcome in submit(ATTACK, [(handed, weights, job) for job in open_jobs], "attack", tell):
        job = open_jobs[outcome.number]
        attacks[job.name] = outcome.value or failed_attack(handed, job, outcome)

    done = tuple(attacks[job.name] for job in asked.attacks)
    return Result(handed.attempt, _record(asked, trained, done, found.notes), done)


def weights_of(trial: Path, trained: Trained) -> Path:
    """Return where the trained network's files lie."""
    return trial / f"attempt-{trained.attempt}"


def give_up(asked: Asked, trial: Path, place: Place, outcome: Outcome) -> Result:
    """Return the result of a trial that cannot go on: partial if its accuracy exists, else failed.

    Args:
        asked: What the trial is.
        trial: The trial's directory.
        place: Where it ran.
        outcome: Why it cannot go on, and the trial's own time, which a failed one is charged; the attacks that have not
            ended are charged none, since nobody knows theirs.
    """
    found, last = find(trial, asked.attacks), next(iter(attempts(trial)), trial / "attempt-0")
    handed = Assignment(asked, place, last)
    if found.trained is None:
        return Result(last, _failed(handed, found, outcome), ())
    unknown = outcome._replace(spent=Stopwatch().read())
    done = tuple(found.attacks.get(job.name) or failed_attack(handed, job, unknown) for job in asked.attacks)
    return Result(last, _record(asked, found.trained, done, found.notes), done)


def write_result(result: Result) -> None:
    """Put a result into its attempt, for the driver to publish; the attempt is whole then, in its store too."""
    for attack in result.attacks:
        write_whole(result.attempt / f"{attack.job.name}.json", attack.model_dump_json(indent=1).encode())
    write_whole(result.attempt / "record.json", result.record.model_dump_json(indent=1).encode())
    put(result.attempt)


def read_result(attempt: Path, asked: Asked) -> Result:
    """Return a result that was put into an attempt."""
    fetch(attempt, "*.json")
    record = read_value(attempt / "record.json", Record)
    names = (job.name for job in asked.attacks) if record.verdicts else ()
    return Result(attempt, record, tuple(read_value(attempt / f"{name}.json", AttackRecord) for name in names))


def _record(asked: Asked, trained: Trained, attacks: tuple[AttackRecord, ...], notes: tuple[str, ...]) -> Record:
    partial = any(attack.job.kind == "reconstruction" and attack.measured.scores is None for attack in attacks)
    state: State = "partial" if partial else "complete"
    found = candidates(trained.floors, attacks, trained.images)
    return Record(
        number=asked.number,
        state=state,
        asked=asked,
        measured=Measured(
            accuracy=trained.accuracy,
            part=asked.attacks[0].part,
            digests=trained.digests,
            images=trained.images,
            floors=trained.floors,
            objectives=None if partial else worst_case(trained.accuracy, found),
            feasible=asked.floor is None or trained.accuracy >= asked.floor,
            curve=trained.curve,
            diagnostics=trained.diagnostics,
            diagnostics_version=trained.diagnostics_version,
            null_reasons=trained.null_reasons,
        ),
        verdicts={name: judged.verdict for name, judged in verdicts(trained.floors, attacks).items()},
        notes=(*notes, *trained.notes),
        versions=trained.versions,
        error=next((attack.error for attack in attacks if attack.error), None),
        circumstances=_sum(trained.circumstances, attacks),
    )


def _sum(trained: Circumstances, attacks: tuple[AttackRecord, ...]) -> Circumstances:
    """Add the attacks' seconds to the training's, whenever they ran."""
    costs = [trained, *(attack.circumstances for attack in attacks)]
    processors = [cost.cpu_seconds for cost in costs if cost.cpu_seconds is not None]
    return trained.model_copy(
        update={
            "seconds": round(sum(cost.seconds for cost in costs), 3),
            "cpu_seconds": round(sum(processors), 3) if len(processors) == len(costs) else None,
            "peak_memory_bytes": max(cost.peak_memory_bytes for cost in costs),
        }
    )


def _failed(handed: Assignment, found: Found, outcome: Outcome) -> Record:
    asked = handed.asked
    empty = Measured(
        accuracy=None,
        part=asked.attacks[0].part,
        digests={},
        floors={},
        objectives=None,
        feasible=None,
        curve=(),
        diagnostics={},
        null_reasons={},
    )
    return Record(
        number=asked.number,
        state="failed",
        asked=asked,
        measured=empty,
        verdicts={},
        notes=found.notes,
        error=outcome.failure,
        circumstances=circumstances(outcome.spent, asked.shared(), "train", handed.place.driver),
    )


def failed_attack(handed: Assignment, job: AttackJob, outcome: Outcome) -> AttackRecord:
    """Return the record of an attack that did not end, charged with its own time."""
    measured = AttackMeasured(
        verdict="failed",
        settings={},
        scores=None,
        selection=None,
        images=0,
        digests={},
        metrics="",
        conversions={},
        curve=(),
    )
    return AttackRecord(
        trial=handed.asked.number,
        job=job,
        attempt=attempt_number(handed.attempt),
        measured=measured,
        error=outcome.failure,
        circumstances=circumstances(outcome.spent, handed.asked.shared(), "attack", handed.place.driver),
    )
