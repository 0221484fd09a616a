"""Runs a study: takes its lease, reconciles what is there, schedules what is missing, and publishes what comes back."""

import contextlib
import shlex
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.cluster import OWN_PACKAGES, Runner, runner
from harness.data.ready import Ready
from harness.driver.catching_up import Ground, catch_up, lacking, run_levels
from harness.driver.conditions import conditions_of, place_of, plugins, slowed
from harness.driver.endpoints import Endpoints
from harness.driver.extending import Plan, planned, refuse_by_hand, write_down
from harness.driver.faults import resumable
from harness.driver.later import Task
from harness.driver.places import refuse_place
from harness.driver.reading import read_book
from harness.driver.reporting import write_report
from harness.driver.retrying import WAY, chosen_trials
from harness.driver.room import Room
from harness.driver.searching import Session, search_on
from harness.driver.standing_by import StandingBy
from harness.driver.watching import Watcher
from harness.errors import UserError
from harness.judging import Book, Status
from harness.ledger import Ledger
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.records import Asked, Borrowed, ImagesSeen
from harness.search import check_storage
from harness.study import UNINFORMED, WIDENED, Study, elsewhere, first_difference, load_study, refuse_others
from harness.study.agreeing import check_images
from harness.study.borrowing import borrowed_of
from harness.study.check import check_ready, load_all_checked, make_ready
from harness.study.load import Loaded
from harness.tracking import Tracked

MOVABLE = (
    "resources", "keep", "search/limits", "data/root", "data/download", "attacker/root", "attacker/images",
    "attacker/levels",
)  # fmt: skip
"""What a resume may set: where trials run, what they may take, what ends the study, levels beside the study's own
attacker: no part of what a study is; what it may widen are the sections of ``WIDENED``."""


def run(study: Study, out: Path, where: Endpoints, watcher: Watcher, borrowed: Borrowed | None = None) -> Status:
    """Run a study in ``out/<its name>``, or go on with it if it is there; return how it stands in the end.

    Args:
        study: The study.
        out: Folder of studies.
        where: Where it runs and writes.
        watcher: Hears of it.
        borrowed: Results of another study that inform its search; null if it has none, or has them on storage.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk.
        Interrupted: the work was cut off; the study can be resumed.
    """
    refuse_place("--out ", out)
    root = out / study.name
    check_ready(study)
    if not (root / "study.yaml").exists():
        if (root / "trials").exists():
            raise UserError(f"{root}: holds trials but no study.yaml; put it back, or choose another name or --out")
        own = study.model_copy(update={"ledger": str(uuid.uuid4())})
        return _drive(Plan(own, None, borrowed=borrowed), root, where, watcher)
    there = load_study(root / "study.yaml")
    refuse_by_hand(there, root, where.storage)
    difference = first_difference(there, study)
    if difference is not None:
        ways = f"choose another name or --out, or widen it with `invfront resume {root} --set`"
        raise UserError(f"{root}: holds another study: {difference}; {ways}")
    same = elsewhere(there, study)
    trials = max(study.search.trials, there.search.trials)
    more = same.search.model_copy(update={"trials": trials})
    going_on = Loaded(same.model_copy(update={"search": more}), (), str(root / "study.yaml"))
    return _drive(planned(going_on, root), root, where, watcher)


def resume(
    root: Path,
    trials: int | None,
    where: Endpoints,
    watcher: Watcher,
    overrides: Sequence[str] = (),
    later: bool = False,
) -> Status:
    """Go on with a study from its directory, with more trials or from another place if asked for; errors as in ``run``.

    Args:
        root: The study's directory.
        trials: Its new number of trials in all; null for the one that it has.
        where: Where it runs and writes.
        watcher: Hears of it.
        overrides: ``PATH=VALUE`` each, of ``MOVABLE``, ``WIDENED`` and ``UNINFORMED``; the study's file remembers them.
        later: Whether attacks that were added wait, on trials that finished without them.
    """
    refuse_place("", root)
    refuse_others(overrides, (*MOVABLE, *WIDENED, UNINFORMED))
    refuse_by_hand(load_study(root / "study.yaml"), root, where.storage)
    loaded = load_all_checked(root / "study.yaml", overrides, trials)
    study, asked = loaded.study, len(Ledger(root).numbers())
    if study.search.trials < asked:
        raise UserError(f"--trials {study.search.trials}: {root} has asked {asked} already; ask for at least that many")
    plan = planned(loaded, root)
    check_ready(study)
    return _drive(plan, root, where, watcher, later)


def retry(
    root: Path, chosen: Sequence[str], where: Endpoints, watcher: Watcher, overrides: Sequence[str] = ()
) -> Status:
    """Run failed and partial trials of a study again, and nothing else; errors as in ``run``.

    Args:
        root: The study's directory.
        chosen: Which, as of ``chosen_trials``.
        where: Where it runs and writes.
        watcher: Hears of it.
        overrides: ``PATH=VALUE`` each, of ``MOVABLE``; the study's file remembers them.
    """
    refuse_place("", root)
    refuse_others(overrides, MOVABLE)
    refuse_by_hand(load_study(root / "study.yaml"), root, where.storage)
    plan = planned(load_all_checked(root / "study.yaml", overrides), root)
    check_ready(plan.study)
    return _drive(plan, root, where, watcher, later=True, chosen=chosen)


def _drive(
    plan: Plan,
    root: Path,
    where: Endpoints,
    watcher: Watcher,
    later: bool = False,
    chosen: Sequence[str] | None = None,
) -> Status:
    study, added = plan.study, () if later else plan.added
    again: list[Asked] | None = None
    evidence = plan.borrowed or borrowed_of(study, root)
    # workers may start in another folder, so their paths are absolute
    ledger, book, room = Ledger(root.resolve()), Book(), Room(root)
    way = f"go on with `invfront resume {shlex.quote(str(root))}`" if chosen is None else WAY
    patience = Patience(seconds=study.resources.patience, way=way)
    with contextlib.ExitStack() as held, resumable(root, way if chosen is not None else None) as stand:
        check_storage(where.storage)
        if root.exists():
            ledger.guard = held.enter_context(lease(root, str(study.ledger), where.storage, patience)).check
            book = read_book(ledger, str(study.ledger))
        if chosen is not None and not (again := _chosen(ledger, chosen, watcher)):
            return book.status(study.named(), study.search.trials)
        left = lacking(ledger, added)
        if again or book.standing().finished < study.search.trials:
            room.refuse()
        tracking = held.enter_context(where.show(study, ledger))
        ready = make_ready(study, watcher.preparing)
        if plan.borrowed is not None:
            check_images(plan.borrowed, study)
        farewell, noted = f"the local Ray died; {way}", watcher.noted
        fleet, study = held.enter_context(_machines(study, ledger, where.address, farewell, tracking.cut_off, noted))
        conditions = conditions_of(study, ledger, fleet.everywhere(study.resources), watcher.noted)
        if slow := slowed(study, conditions):
            watcher.noted(slow)
        if not root.exists():
            root.mkdir(parents=True)
            ledger.guard = held.enter_context(lease(root, str(study.ledger), where.storage, patience)).check
        write_down(plan, ledger)
        ledger.write(ledger.images_file, _seen(ready).model_dump_json(indent=1).encode())
        stand.begun, ledger.patience = True, patience
        if again is None:
            ledger.remove(ledger.ended_file)
        ground = Ground(study, ledger, fleet, way, watcher.noted, StandingBy(ledger, way, watcher.noted).look)
        if left:
            catch_up(left, ground)
            book = read_book(ledger, str(study.ledger))
        publisher = search_on(
            Session(
                plan._replace(study=study), root, ledger, fleet, conditions, tracking, watcher, room, patience, way,
                where.storage, evidence, again,
            ),
            book,
            ready.told,
        )  # fmt: skip
        book = _attack_on(plan, lacking(ledger, added, but=left), book, ground, tracking, levels=again is None)
        write_report(study, ledger)
        room.end()
        publisher.cut_off()
        tracking.finish()
    return book.status(study.named(), study.search.trials).ended_by(ledger.ended())


@contextlib.contextmanager
def _machines(
    study: Study,
    ledger: Ledger,
    address: str | None,
    farewell: str,
    last: Callable[[], None],
    noted: Callable[[str], None],
) -> Iterator[tuple[Runner, Study]]:
    """Yield what runs a study's jobs, and the study with what they take there; arguments and errors as of ``runner``.

    Raises:
        UserError: not even one trial finds its place there, or a machine does not see what it must.
    """
    with runner(address, farewell, [*OWN_PACKAGES, *plugins(study, study.attacks, ledger)], last) as fleet:
        study = study.model_copy(update={"resources": fleet.sized(study.resources, noted)})
        fleet.refuse(study.resources)
        fleet.refuse_blind(ledger.root, place_of(study, ledger))
        yield fleet, study


def _attack_on(
    plan: Plan, rest: Sequence[Task], book: Book, ground: Ground, tracking: Tracked, *, levels: bool
) -> Book:
    """Run attacks on trials that have ended; return what is then known of them.

    Args:
        plan: Says whether the study has had attacks added.
        rest: Those that trials ended without, meanwhile.
        book: What is known of the trials.
        ground: Where the attacks run.
        tracking: Hears of them.
        levels: Whether to attack at other levels than the study's own attacker's too.
    """
    if rest:
        catch_up(rest, ground)
    if plan.added:
        book = read_book(ground.ledger, str(ground.study.ledger))
    beside = levels and run_levels(book, ground)
    if plan.added or beside:
        tracking.backfill(read_book(ground.ledger, str(ground.study.ledger)).outlines.values())
    return book


def _seen(ready: Ready) -> ImagesSeen:
    """Return what the directory keeps of what there is to say of a study's images."""
    return ImagesSeen(
        told=ready.told, marks=ready.marks, spectrum=ready.spectrum, classes=ready.classes, pixels=ready.pixels
    )


def _chosen(ledger: Ledger, chosen: Sequence[str], watcher: Watcher) -> list[Asked]:
    """Return the trials to run again; say which are left out, or that there are none."""
    again, left_out = chosen_trials(ledger, chosen)
    for line in left_out or ([] if again else ["nothing to retry: no trial failed, and none is partial"]):
        watcher.noted(line)
    return again
