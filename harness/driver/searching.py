"""Searches a study on: finds out what is to be tried, hands it out, and publishes it until nothing is left."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.cluster import Runner
from harness.driver.answering import Answering
from harness.driver.causes import Causes
from harness.driver.comparison import Comparison
from harness.driver.conditions import place_of, shared_of
from harness.driver.extending import Plan
from harness.driver.filesystems import mounts, sqlite_line
from harness.driver.limits import Limits
from harness.driver.priming import primed
from harness.driver.publishing import Publisher
from harness.driver.room import Room
from harness.driver.watching import Watcher
from harness.judging import Book, Controls, suite_of
from harness.ledger import Ledger
from harness.ledger.patience import Patience
from harness.records import Asked, Borrowed
from harness.search import Conditions, Search, open_rows, reconcile
from harness.stages.priors import Priors
from harness.stages.underway import PRIORS_FOLDER
from harness.study.borrowing import borrowed_lines
from harness.study.jobs import attack_jobs
from harness.tracking import Tracked


class Session(NamedTuple):
    """What a driver holds while it works on a study."""

    plan: Plan
    root: Path
    """The study's directory, as it was named."""
    ledger: Ledger
    fleet: Runner
    conditions: Conditions
    tracking: Tracked
    watcher: Watcher
    room: Room
    patience: Patience
    way: str
    """How to go on once the work was cut off, a clause."""
    storage: str | None
    """Of Optuna's rows; null for a file in the directory."""
    evidence: Borrowed | None
    """Results of another study that inform the search."""
    again: Sequence[Asked] | None
    """Trials that are run again, and no others; null where the study goes on."""


def search_on(session: Session, book: Book, told: Sequence[str]) -> Publisher:
    """Run what is left of a study's trials; return what published them.

    Args:
        session: The study's.
        book: What is known of its trials; kept up to date.
        told: Lines on its images.
    """
    study, watcher, root = session.plan.study, session.watcher, session.ledger.root
    at_once = session.patience if session.storage else Patience()  # a file that is broken is made anew
    rows = at_once(lambda: open_rows(study, root, book.outlines, session.storage))
    search = Search(study, rows, session.ledger, session.conditions, session.patience, session.evidence)
    found = at_once(lambda: reconcile(search, rows, book))
    session.tracking.backfill(book.outlines.values())
    watcher.opened(study, session.root, found, book.standing())
    database = None if session.storage else sqlite_line(root, mounts())
    for line in (*told, *borrowed_lines(study), *([database] if database else [])):
        watcher.noted(line)
    if session.plan.extension and not search.left():
        watcher.noted(f"all {study.search.trials} trials are asked already: --trials gives the wider study more")
    if session.again is not None:
        search.again = deque(session.again)
    place = place_of(study, session.ledger)
    publisher = _publisher(session, book, search)
    priors = Priors(shared_of(study, session.conditions.precision), place, root / PRIORS_FOLDER)
    attacks, exchange = attack_jobs(study) if search.left() else (), publisher.exchange()
    with primed(attacks, priors, study.resources, session.fleet, watcher.preparing, watcher.noted, exchange.look):
        session.fleet.trials(study.resources, place, session.ledger, exchange)
        while publisher.more():  # the last ones failed for what is not their own fault
            session.fleet.trials(study.resources, place, session.ledger, publisher.exchange())
    publisher.end()
    return publisher


def _publisher(session: Session, book: Book, search: Search) -> Publisher:
    """Return what hands trials out; only a study that goes on has limits."""
    study, ledger, fleet, retrying = session.plan.study, session.ledger, session.fleet, session.again is not None
    proven = any(outline.state in ("complete", "partial") for outline in book.outlines.values())
    causes = Causes(proven, lambda left_out: fleet.others(study.resources, left_out))
    concurrent, noted = study.resources.concurrent, session.watcher.noted
    return Publisher(
        ledger, book, search, session.tracking, session.watcher, Comparison(), causes, session.room,
        suite_of(ledger), Controls(ledger),
        limits=None if retrying else Limits(study, ledger, book),
        answering=Answering(ledger, book, search, concurrent, noted),
        way=session.way,
        retrying=retrying,
    )  # fmt: skip
