"""Runs further attacks on trials that are finished, and adds what they found beside the records, which stay."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from functools import partial

from harness.cluster import OWN_PACKAGES, Setbacks, runner
from harness.driver.campaign import Campaign, Round, next_round
from harness.driver.causes import of_the_place
from harness.driver.comparison import Comparison
from harness.driver.conditions import place_of, plugins
from harness.driver.endpoints import Endpoints
from harness.driver.faults import resumable
from harness.driver.later import Task
from harness.driver.orders import AttackOrder
from harness.driver.places import refuse_place
from harness.driver.priming import run_primed
from harness.driver.reading import read_book
from harness.driver.reporting import write_report
from harness.driver.standing_by import StandingBy
from harness.errors import UserError
from harness.judging import Book, Controls, judged, suite_of
from harness.ledger import Ledger
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.records import AttackRecord, Tell
from harness.search import check_storage
from harness.study import Study, refuse_edited
from harness.study.check import check_ready, load_checked, make_ready
from harness.tracking import Tracked
from reports.formats import listed

Added = Callable[[AttackRecord], None]
"""Hears of each attack once its file is on storage."""

AGAIN = "the same command goes on"
"""How to go on after an interrupt: what is on storage is left out."""


def attack_again(
    campaign: Campaign, where: Endpoints, tell: Tell, added: Added, noted: Callable[[str], None] = lambda line: None
) -> list[AttackRecord]:
    """Run attacks on finished trials of a study; return their records, which are on storage.

    Where all have been run by a command that was cut off before it had written the page, that alone is left.

    Args:
        campaign: The attacks and the trials.
        where: Where the study runs and writes.
        tell: Hears of the progress of jobs, which are named by trial and attack.
        added: Hears of each attack that is on storage.
        noted: Hears of what was left out, and of what the front has become.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk; or the disk or a store fails.
        Interrupted: the work was cut off; what was finished is on storage.
    """
    root = campaign.root
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
        orders = campaign.ordered(book, ledger)
        now = next_round(campaign, orders, book, ledger)
        if not now.tasks and _is_behind(ledger):
            noted("all of that has been run; a command that was cut off left the page behind, which is written now")
            _show(study, ledger, held.enter_context(where.show(study, ledger)))
            return []
        if not now.tasks:
            why = "; ".join(now.left_out) or "has been run; take another budget or --seed"
            raise UserError(f"TRIAL {' '.join(campaign.chosen)}: {why}")
        tracking = held.enter_context(where.show(study, ledger))
        make_ready(moved)
        named = list(dict.fromkeys([*(order.attack for order in orders), *(task.job.attack for task in now.tasks)]))
        packages = [*OWN_PACKAGES, *plugins(study, named, ledger)]
        fleet = held.enter_context(runner(where.address, f"the local Ray died; {AGAIN}", packages, tracking.cut_off))
        place = place_of(moved, ledger)
        fleet.refuse_blind(ledger.root, place)
        resources = fleet.sized(moved.resources, noted)
        submit = fleet.later(resources, place, Setbacks("attack", of_the_place, noted))
        stand.begun, ledger.patience, found = True, patience, list[AttackRecord]()
        run = partial(
            run_primed, place=place, submit=submit, resources=resources, fleet=fleet,
            way=AGAIN, tell=tell, noted=noted, look=StandingBy(ledger, AGAIN, noted).look,
        )  # fmt: skip
        rounds = _rounds(campaign, orders, now, book, ledger, run, noted)
        for record in held.enter_context(contextlib.closing(rounds)):
            added(record)
            comparison.hear(record.circumstances)
            found.append(record)
        _show(study, ledger, tracking)
    return found


def _rounds(
    campaign: Campaign,
    orders: Sequence[AttackOrder],
    now: Round,
    book: Book,
    ledger: Ledger,
    run: Callable[[Sequence[Task]], Generator[AttackRecord, None, None]],
    noted: Callable[[str], None],
) -> Generator[AttackRecord, None, None]:
    """Yield attacks that have ended, on storage, round after round until the front is stable if that is asked for.

    Args:
        campaign: The attacks and the trials.
        orders: The attacks, in place of the campaign's.
        now: The first round.
        book: What is known of the trials; kept up to date.
        ledger: Their study's directory.
        run: Runs what is to run at once.
        noted: Hears of what was left out, and of what the front has become.
    """
    suite, tried = suite_of(ledger), set[tuple[int, str]]()
    while now.tasks:
        for line in now.left_out:
            noted(line)
        with contextlib.closing(run(now.tasks)) as running:
            for record in running:
                ledger.publish_attack(record)
                yield record
        tried |= {(task.files.number, task.job.name) for task in now.tasks}
        if not campaign.until_stable:
            return
        controls = Controls(ledger)
        for number in {task.files.number for task in now.tasks}:
            book.add(judged(ledger.read(number), suite, controls))
        now = next_round(campaign, orders, book, ledger, tried)
    for line in (*now.left_out, _ended(book)):
        noted(line)


def _show(study: Study, ledger: Ledger, tracking: Tracked) -> None:
    """Log what is missing, and write page and tables."""
    tracking.backfill(read_book(ledger, str(study.ledger)).outlines.values())
    write_report(study, ledger)
    tracking.finish()


def _is_behind(ledger: Ledger) -> bool:
    """Say whether attacks are on storage that the page does not tell of: what ran them was cut off while it wrote."""
    page = ledger.root / "report" / "index.html"
    newest = max((path.stat().st_mtime_ns for path in ledger.root.glob("trials/*/attacks/*.json")), default=0)
    return page.parent.exists() and (not page.exists() or page.stat().st_mtime_ns < newest)


def _ended(book: Book) -> str:
    """Return what the front is now, and what of it was not attacked."""
    standing = book.standing()
    front = f"front: {listed([outline.number for outline in standing.front]) or 'none'}"
    return f"{front}; unsettled by {listed(list(standing.unsettled))}" if standing.unsettled else f"{front}; settled"
