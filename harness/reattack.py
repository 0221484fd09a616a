"""Runs further attacks on trials that are finished, and adds what they found beside the records, which stay."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from harness.attacking import attack_stage
from harness.attempts import SERVER, find, open_attempt
from harness.cluster import PACKAGES, cluster, nodes
from harness.driver import Where, check_owner, plugins, resumable, write_report
from harness.errors import UserError
from harness.jobs import Tell
from harness.lease import lease
from harness.ledger import Ledger, TrialFiles
from harness.record import AttackJob, AttackRecord, Trained
from harness.rows import check_storage
from harness.schedule import fitting, shares_of
from harness.stage import Meter, pick_device
from harness.status import front_numbers
from harness.study import Study, check_ready, load_study
from harness.study.check import REFUSALS
from harness.study.problem import suggestion
from harness.tracking import Tracking
from harness.trial import failed_attack, weights_of
from harness.workers import RaySubmit

Added = Callable[[AttackRecord], None]
"""Hears of each attack once its file is on storage."""

BUDGET = "standard"
"""Budget of an attack that is named without one."""


class Choice(NamedTuple):
    """An attack to run on finished trials."""

    attack: str
    budget: str
    seed: int = 0
    tune: int = 0


class _Task(NamedTuple):
    files: TrialFiles
    trained: Trained
    jobs: tuple[AttackJob, ...]


def choice_of(text: str, seed: int = 0, tune: int = 0) -> Choice:
    """Return what ``NAME`` or ``NAME:budget`` stands for; a plug-in's name has a colon of its own.

    Raises:
        UserError: there is no such attack or budget, or the attack cannot be tuned.
    """
    name, budget = _split(text)
    try:
        kind = attacks.resolve(name)
        settings = attacks.budget(kind, budget)
        kind(**settings)
    except REFUSALS as error:
        raise UserError(f"--attack {text}: {error}{suggestion(name, attacks.ATTACKS)}") from error
    if tune and not getattr(kind, "tunable", {}):
        raise UserError(f"--tune {tune}: {name} has nothing to tune; leave it out")
    return Choice(name, budget, seed, tune)


def attack_again(
    root: Path, chosen: Sequence[str], choices: Sequence[Choice], where: Where, tell: Tell, added: Added
) -> list[AttackRecord]:
    """Run attacks on finished trials of a study; return their records, which are on storage.

    Args:
        root: The study's directory.
        chosen: Numbers of trials, or ``front``, or ``all``.
        choices: The attacks.
        where: Where the study runs and writes.
        tell: Hears of the progress of jobs.
        added: Hears of each attack that is on storage.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk.
        Interrupted: the work was cut off; what was finished is on storage.
    """
    study, ledger = load_study(root / "study.yaml"), Ledger(root)
    check_ready(study)
    check_storage(where.storage)
    again = "; the same command goes on"
    with contextlib.ExitStack() as held, resumable(root, again):
        held.enter_context(lease(root, str(study.ledger), where.storage))
        check_owner(ledger, str(study.ledger))
        tasks = [_task(ledger.read(number), study, choices) for number in _numbers(ledger, chosen)]
        named = [choice.attack for choice in choices]
        farewell = f"the local Ray died{again}"
        held.enter_context(cluster(where.address, farewell, [*PACKAGES, *plugins(study, named)]))
        fitting(study.resources, nodes())
        tracking = held.enter_context(Tracking(study, ledger, where.tracking))
        found = [attack for task in tasks for attack in _run(task, study, ledger, tell, added)]
        write_report(study, ledger)
        tracking.backfill()
        tracking.finish()
    return found


def _split(text: str) -> tuple[str, str]:
    """Return name and budget: the last part is a budget unless it is the class of a plug-in."""
    name, colon, last = text.rpartition(":")
    plugin_alone = colon and name not in attacks.ATTACKS and ":" not in name and "." in name
    return (name, last) if colon and not plugin_alone else (text, BUDGET)


def _numbers(ledger: Ledger, chosen: Sequence[str]) -> list[int]:
    """Return the trials that were named, each once."""
    known = ledger.numbers()
    numbers: dict[int, None] = {}
    for text in chosen:
        if text == "front":
            numbers |= dict.fromkeys(front_numbers(ledger.trials()))
        elif text == "all":
            done = [files.number for files in ledger.trials() if files.record and files.record.state == "complete"]
            numbers |= dict.fromkeys(done)
        elif text.isdecimal() and int(text) in known:
            numbers[int(text)] = None
        else:
            have = f"{known[0]} to {known[-1]}" if known else "none"
            raise UserError(f"TRIAL {text}: {ledger.root} has trials {have}; name a number, front, or all")
    if not numbers:
        raise UserError(f"TRIAL {' '.join(chosen)}: no trial of {ledger.root} is complete yet; run the study first")
    return list(numbers)


def _task(files: TrialFiles, study: Study, choices: Sequence[Choice]) -> _Task:
    """Return what is to run on a trial, refused if it cannot."""
    if files.record is None:
        raise UserError(f"TRIAL {files.number}: is not finished; `invfront resume` first")
    jobs = tuple(job for choice in choices for job in _jobs(files, choice))
    found = find(files.path, jobs)
    if found.trained is None:
        raise UserError(f"TRIAL {files.number}: {files.record.state}, it has no trained network to attack")
    done = {attack.job.name for attack in files.attacks if attack.measured.verdict != "failed"}
    for job in jobs:
        if job.name in done:
            raise UserError(f"{files.path / 'attacks' / job.name}.json: has been run; take another budget or --seed")
        weights = weights_of(files.path, found.trained)
        if attacks.resolve(job.attack).needs_server and not (weights / SERVER).exists():
            raise UserError(
                f"TRIAL {files.number}: {job.attack} asks the server, and only those of anchors and of the front are "
                "kept; take an attack that does not, or such a trial"
            )
    return _Task(files, found.trained, jobs)


def _jobs(files: TrialFiles, choice: Choice) -> Iterator[AttackJob]:
    """Yield the jobs of an attack: on every part that the trial's own attacks score, probes on the last alone."""
    kind = attacks.resolve(choice.attack).kind
    parts = list(dict.fromkeys(job.part for job in files.asked.attacks))
    for part in parts if kind == "reconstruction" else parts[-1:]:
        yield AttackJob(
            attack=choice.attack, budget=choice.budget, seed=choice.seed, part=part, kind=kind, tune=choice.tune
        )


def _run(task: _Task, study: Study, ledger: Ledger, tell: Tell, added: Added) -> Iterator[AttackRecord]:
    """Run a trial's new attacks, and publish each as it ends; one that an earlier command finished is taken over."""
    files, asked = task.files, task.files.asked
    attempt, meter = open_attempt(files.path), Meter(asked, "attack", pick_device())
    found = find(files.path, task.jobs).attacks
    for record in found.values():
        yield _published(ledger, record, added)
    jobs = [job for job in task.jobs if job.name not in found]
    submit = RaySubmit(shares_of(study.resources), study.resources.timeout)
    weights = weights_of(files.path, task.trained)
    for outcome in submit(attack_stage, [(asked, attempt, weights, job) for job in jobs], "attack", tell):
        job = jobs[outcome.number]
        record = outcome.value or failed_attack(asked, job, attempt, outcome.failure, meter.read())
        yield _published(ledger, record, added)


def _published(ledger: Ledger, record: AttackRecord, added: Added) -> AttackRecord:
    ledger.publish_attack(record)
    added(record)
    return record
