"""Runs further attacks on trials that are finished, and adds what they found beside the records, which stay."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from harness.cluster import OWN_PACKAGES, Claim, RaySubmit, attack_claim, cluster, nodes, refuse_full_disk
from harness.driver.causes import cause_of
from harness.driver.comparison import Comparison
from harness.driver.conditions import place_of, plugins
from harness.driver.driving import Endpoints, read_book
from harness.driver.faults import resumable
from harness.driver.orders import AttackOrder
from harness.driver.places import refuse_place
from harness.driver.reporting import write_report
from harness.errors import Interrupted, UserError
from harness.judging import Book
from harness.ledger import REDONE, SERVER, Ledger, TrialFiles, find, open_attempt
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.records import AttackJob, AttackRecord, Place, Tell
from harness.search import check_storage
from harness.stages import LATER, Assignment
from harness.study import Study, load_study, refuse_edited, refuse_others
from harness.study.check import check_ready, load_checked, make_ready
from harness.trial import failed_attack, weights_of

Added = Callable[[AttackRecord], None]
"""Hears of each attack once its file is on storage."""

AGAIN = "the same command goes on"
"""How to go on after an interrupt: what is on storage is left out."""


SETTABLE = ("resources/attack", "resources/timeout", "data/root", "data/download", "attacker/root")
"""What may be set for attacks on finished trials alone."""


class _Task(NamedTuple):
    """An attack that is to run on a trial."""

    files: TrialFiles
    weights: Path
    job: AttackJob
    done: AttackRecord | None
    """What a command that was cut off had finished, but not published."""


class Campaign(NamedTuple):
    """Further attacks on finished trials of a study."""

    root: Path
    """The study's directory."""
    chosen: Sequence[str]
    """Numbers of trials, or ``front``, or ``all``."""
    orders: Sequence[AttackOrder]
    """The attacks; one that a trial has already is left out there, unless it failed."""
    overrides: Sequence[str] = ()
    """``PATH=VALUE`` each, of ``SETTABLE``: where the attacks run, and what they may take."""

    def moved(self) -> Study:
        """Return the study with what is set for these attacks alone.

        Raises:
            UserError: something else is set, or cannot be had.
        """
        refuse_others(self.overrides, SETTABLE)
        return load_study(self.root / "study.yaml", self.overrides)


def attack_again(campaign: Campaign, where: Endpoints, tell: Tell, added: Added) -> list[AttackRecord]:
    """Run attacks on finished trials of a study; return their records, which are on storage.

    Args:
        campaign: The attacks and the trials.
        where: Where the study runs and writes.
        tell: Hears of the progress of jobs, which are named by trial and attack.
        added: Hears of each attack that is on storage.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk; or the disk or a store fails.
        Interrupted: the work was cut off; what was finished is on storage.
    """
    root, orders = campaign.root, campaign.orders
    refuse_place("", root)
    # workers may start in another folder, so their paths are absolute
    study, ledger = load_checked(root / "study.yaml"), Ledger(root.resolve())
    moved, comparison = campaign.moved(), Comparison()
    refuse_edited(study, ledger.lineage(), root)
    check_ready(moved)
    check_storage(where.storage)
    with contextlib.ExitStack() as held, resumable(root, AGAIN) as stand:
        patience = Patience(seconds=study.resources.patience, way=AGAIN)
        ledger.guard = held.enter_context(lease(root, str(study.ledger), where.storage, patience)).check
        book = read_book(ledger, str(study.ledger))
        numbers = _numbers(book, root, campaign.chosen)
        tasks = [task for number in numbers for task in _tasks(ledger.read(number), orders)]
        if not tasks:
            raise UserError(f"TRIAL {' '.join(campaign.chosen)}: has been run; take another budget or --seed")
        make_ready(moved)
        tracking = held.enter_context(where.show(study, ledger))
        named = [order.attack for order in orders]
        farewell = f"the local Ray died; {AGAIN}"
        held.enter_context(cluster(where.address, farewell, [*OWN_PACKAGES, *plugins(study, named)], tracking.cut_off))
        claim = attack_claim(moved.resources, nodes())
        stand.begun, found = True, []
        for record in held.enter_context(contextlib.closing(_run(tasks, place_of(moved), claim, tell))):
            ledger.publish_attack(record)
            added(record)
            comparison.hear(record.circumstances)
            found.append(record)
        write_report(study, ledger)
        tracking.backfill(read_book(ledger, str(study.ledger)).outlines.values())
        tracking.finish()
    return found


def _numbers(book: Book, root: Path, chosen: Sequence[str]) -> list[int]:
    """Return the trials that were named, each once."""
    known = list(book.outlines)
    numbers: dict[int, None] = {}
    for text in chosen:
        if text == "front":
            numbers |= dict.fromkeys(outline.number for outline in book.standing().front)
        elif text == "all":
            done = [outline.number for outline in book.outlines.values() if outline.state == "complete"]
            numbers |= dict.fromkeys(done)
        elif text.isdecimal() and int(text) in book.outlines:
            numbers[int(text)] = None
        else:
            have = f"{known[0]} to {known[-1]}" if known else "none"
            raise UserError(f"TRIAL {text}: {root} has trials {have}; name a number, front, or all")
    if not numbers:
        raise UserError(f"TRIAL {' '.join(chosen)}: no trial of {root} is complete yet; run the study first")
    return list(numbers)


def _tasks(files: TrialFiles, orders: Sequence[AttackOrder]) -> list[_Task]:
    """Return what is left to run on a trial, refused if it cannot."""
    if files.record is None:
        raise UserError(f"TRIAL {files.number}: is not finished; `invfront resume` first")
    jobs = {job.name: job for order in orders for job in _jobs(files, order)}
    left = tuple(job for job in jobs.values() if _is_left(files, job))
    if not left:
        return []
    found = find(files.path, left)
    if found.trained is None:
        why = "; ".join(note.removesuffix(REDONE) for note in found.notes)
        how = f" ({why}); put back a copy of what was written" if why else ""
        raise UserError(f"TRIAL {files.number}: {files.record.state}, it has no trained network to attack{how}")
    weights = weights_of(files.path, found.trained)
    tasks = [_Task(files, weights, job, found.attacks.get(job.name)) for job in left]
    for task in tasks:
        needs_server = task.done is None and attacks.resolve(task.job.attack).needs_server
        if needs_server and not (weights / SERVER).exists():
            raise UserError(
                f"TRIAL {files.number}: {task.job.attack} asks the server, and only those of anchors and of the front "
                "are kept; take an attack that does not, or such a trial"
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


def _jobs(files: TrialFiles, order: AttackOrder) -> Iterator[AttackJob]:
    """Yield the jobs of an attack: on every part that the trial's own attacks score, probes on the last alone."""
    kind = attacks.resolve(order.attack).kind
    parts = list(dict.fromkeys(job.part for job in files.asked.attacks))
    for part in parts if kind == "reconstruction" else parts[-1:]:
        yield AttackJob(
            attack=order.attack, budget=order.budget, seed=order.seed, part=part, kind=kind, tune=order.tune
        )


def _run(tasks: Sequence[_Task], place: Place, claim: Claim, tell: Tell) -> Generator[AttackRecord, None, None]:
    """Run attacks side by side, and yield each as it ends; one that an earlier command finished is taken over.

    Raises:
        OSError: the disk is full or read-only.
        Interrupted: an attack cannot read its images; it has no record of that.
    """
    for task in tasks:
        if task.done is not None:
            yield task.done
    left = [task for task in tasks if task.done is None]
    attempts = {path: open_attempt(path) for path in {task.files.path for task in left}}
    jobs = [(Assignment(task.files.asked, place, attempts[task.files.path]), task.weights, task.job) for task in left]
    submit = RaySubmit({"attack": claim}, place.timeout_seconds, each=True)
    with contextlib.closing(submit(LATER, jobs, "attack", tell)) as outcomes:
        for outcome in outcomes:
            handed, _, job = jobs[outcome.number]
            refuse_full_disk(outcome.failure, handed.attempt)
            cause = cause_of(outcome.failure)
            if cause is not None and cause.kind == "yours":
                raise Interrupted(f"trial {handed.asked.number}: {cause.text}; mend it, then {AGAIN}")
            yield outcome.value or failed_attack(handed, job, outcome)
