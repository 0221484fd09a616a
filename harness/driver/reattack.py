"""Runs further attacks on trials that are finished, and adds what they found beside the records, which stay."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from harness.cluster import OWN_PACKAGES, attack_claim, cluster, nodes
from harness.driver.comparison import Comparison
from harness.driver.conditions import place_of, plugins
from harness.driver.driving import read_book
from harness.driver.endpoints import Endpoints
from harness.driver.faults import resumable
from harness.driver.later import Task, run_tasks, tasks_of
from harness.driver.orders import AttackOrder
from harness.driver.places import refuse_place
from harness.driver.reporting import write_report
from harness.errors import UserError
from harness.judging import Book
from harness.ledger import Ledger, TrialFiles
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.records import AttackJob, AttackRecord, Tell
from harness.search import check_storage
from harness.study import Study, load_study, refuse_edited, refuse_others
from harness.study.check import check_ready, load_checked, make_ready

Added = Callable[[AttackRecord], None]
"""Hears of each attack once its file is on storage."""

AGAIN = "the same command goes on"
"""How to go on after an interrupt: what is on storage is left out."""


SETTABLE = ("resources/attack", "resources/timeout", "data/root", "data/download", "attacker/root")
"""What may be set for attacks on finished trials alone."""


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
        for record in held.enter_context(contextlib.closing(run_tasks(tasks, place_of(moved), claim, AGAIN, tell))):
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


def _tasks(files: TrialFiles, orders: Sequence[AttackOrder]) -> list[Task]:
    jobs = {job.name: job for order in orders for job in _jobs(files, order)}
    return tasks_of(files, jobs.values())


def _jobs(files: TrialFiles, order: AttackOrder) -> Iterator[AttackJob]:
    """Yield the jobs of an attack: on every part that the trial's own attacks score, probes on the last alone."""
    kind = attacks.resolve(order.attack).kind
    parts = list(dict.fromkeys(job.part for job in files.asked.attacks))
    for part in parts if kind == "reconstruction" else parts[-1:]:
        yield AttackJob(
            attack=order.attack, budget=order.budget, seed=order.seed, part=part, kind=kind, tune=order.tune
        )
