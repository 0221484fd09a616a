"""Confirms what a search has chosen: trains it again with fresh seeds, attacks all alike, and scores the test part."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.cluster import OWN_PACKAGES, Exchange, Runner, Setbacks, runner
from harness.driver.candidates import chosen, raised
from harness.driver.causes import ALIKE, Causes, Step, of_the_place
from harness.driver.comparison import Comparison
from harness.driver.conditions import place_of, plugins, precision_of_confirms, shared_of
from harness.driver.endpoints import Endpoints
from harness.driver.faults import resumable
from harness.driver.later import run_tasks, tasks_of
from harness.driver.places import refuse_place
from harness.driver.priming import primed
from harness.driver.reading import read_book
from harness.driver.reporting import write_report
from harness.driver.room import Room
from harness.driver.rounds import Work, asked_of, decided, is_race_on, left_of, upgrades, work_of
from harness.driver.standing_by import StandingBy
from harness.errors import Interrupted, UserError
from harness.judging import Confirmed, confirmed_so_far
from harness.ledger import Confirms, Ledger, Run
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.records import Asked, Failure, Place, Precision, Progress, failure_line
from harness.search import check_storage
from harness.stages.checkpoints import discard
from harness.stages.priors import Priors
from harness.stages.underway import PRIORS_FOLDER
from harness.study import Study, refuse_edited, refuse_others
from harness.study.check import check_ready, load_checked, make_ready
from harness.study.jobs import attack_jobs
from harness.tracking import log_confirms
from harness.trial import Result
from reports.formats import counted, listed

AGAIN = "the same command goes on"
"""How to go on after an interrupt: what is on storage is left out."""

SETTABLE = ("resources", "data/root", "data/download", "attacker/root")
"""What may be set for a confirm alone: where it runs and what it may take."""


class ConfirmOrder(NamedTuple):
    """A confirm that was asked for."""

    root: Path
    """The study's directory."""
    seeds: int = 5
    attacks: str | None = None
    """The least budget of each attack; null for the study's own."""
    trials: str = "front"
    """``front``, ``near``, ``all``, or numbers with commas between."""
    overrides: Sequence[str] = ()
    """``PATH=VALUE`` each, of ``SETTABLE``."""

    def moved(self) -> Study:
        """Return the study with what is set for this confirm alone; raises UserError for anything else."""
        refuse_others(self.overrides, SETTABLE)
        return load_checked(self.root / "study.yaml", self.overrides)


def confirm(order: ConfirmOrder, where: Endpoints, noted: Callable[[str], None]) -> Confirmed:
    """Confirm trials of a study; return how far confirming is then.

    Args:
        order: Which trials, with how many seeds, by which attacks.
        where: Where it runs and writes.
        noted: Hears of each training and of what was decided.

    Raises:
        UserError: before any worker starts, and with nothing changed on the disk.
        Interrupted: the work was cut off; what was finished is on storage.
    """
    root = order.root
    refuse_place("", root)
    # workers may start in another folder, so their paths are absolute
    study, ledger = load_checked(root / "study.yaml"), Ledger(root.resolve())
    if study.protocol == "cem":
        raise UserError(
            f"{root}: protocol cem has no test part apart: what it scores its attackers and its selection have seen; "
            "run the study under `protocol: strict`"
        )
    moved = order.moved()
    refuse_edited(study, ledger.lineage(), root)
    attacks = raised(attack_jobs(study), order.attacks)
    check_ready(moved)
    check_storage(where.storage)
    with contextlib.ExitStack() as held, resumable(root, AGAIN) as stand:
        patience = Patience(seconds=study.resources.patience, way=AGAIN)
        ledger.guard = held.enter_context(lease(root, str(study.ledger), where.storage, patience)).check
        book, confirms, room = read_book(ledger, str(study.ledger)), Confirms(ledger), Room(root, way=AGAIN)
        work = work_of(confirms, chosen(book, root, order.trials), order.seeds, attacks)
        left = left_of(confirms, work.round)
        tracking = held.enter_context(where.show(study, ledger))
        if left:
            room.refuse()
            make_ready(moved)
            farewell = f"the local Ray died; {AGAIN}"
            packages = [*OWN_PACKAGES, *plugins(study, [job.attack for job in work.suite], ledger)]
            fleet = held.enter_context(runner(where.address, farewell, packages, tracking.cut_off))
            moved = moved.model_copy(update={"resources": fleet.sized(moved.resources, noted)})
            fleet.refuse(moved.resources)
            fleet.refuse_blind(ledger.root, place_of(moved, ledger))
            stand.begun, ledger.patience = True, patience
            precision = precision_of_confirms(moved, ledger, fleet.everywhere(moved.resources), noted)
            noted(_announced(work, left, book.standing().seconds))
            if (searched := ledger.read(work.round.trials[0]).asked.precision) != precision:
                noted(f"all confirms of this study are trained in {precision}; the search was in {searched}")
            if work.is_new:
                confirms.publish_round(work.round)
            _Confirming(study, moved, ledger, work, precision, fleet, room, noted).run()
            room.end()
        else:
            noted("all of that is confirmed: the page is written anew")
        tracking.backfill(book.outlines.values())
        write_report(study, ledger)
        tracking.finish()
        if where.tracked:
            log_confirms(study, ledger, where.tracking)
    return confirmed_so_far(ledger)


def _announced(work: Work, left: Sequence[Run], seconds: float | None) -> str:
    """Return what is about to be done, with the time that as many trials of the search took."""
    one = work.round
    race = f", {listed(list(one.raced))} while they may be on the front" if one.raced else ""
    took = f"; as many trials of the search took {len(left) * seconds / 60:.1f} min" if seconds else ""
    return (
        f"confirm {one.number}: trials {listed(list(one.trials))} with {counted(one.seeds, 'seed')}{race}: "
        f"{counted(len(left), 'training')} to go{took}"
    )


@dataclass
class _Confirming:
    """Hands out the trainings of a round, and publishes what comes back."""

    study: Study
    moved: Study
    ledger: Ledger
    work: Work
    precision: Precision
    fleet: Runner
    room: Room
    noted: Callable[[str], None]
    comparison: Comparison = field(default_factory=Comparison)
    queue: deque[Asked] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """The search has ended trials well: want of memory is a training's own failure."""
        self.standing_by = StandingBy(self.ledger, AGAIN, self.noted)
        self.causes = Causes(True, lambda left_out: self.fleet.others(self.moved.resources, left_out))

    def run(self) -> None:
        """Train the priors that are lacking, and all candidates beside them."""
        place = place_of(self.moved, self.ledger)
        priors = Priors(shared_of(self.moved, self.precision), place, self.ledger.root / PRIORS_FOLDER)
        with primed(
            self.work.suite, priors, self.moved.resources, self.fleet, self._prepared, self.noted, self.standing_by.look
        ):
            self._race(place)

    def _prepared(self, progress: Progress) -> None:
        """Say that a prior is being trained."""
        if progress.done == 0:
            self.noted(f"{progress.job} is being trained, if it is not yet")

    def _race(self, place: Place) -> None:
        """Train everybody's first seeds, then those of whoever is still in the race; last, what others lack."""
        confirms, one = Confirms(self.ledger), self.work.round
        if is_race_on(confirms, one):
            self._train(
                [run for run in confirms.planned_of(one) if run.seed < one.first or run.trial not in one.raced], place
            )
            if self.room.enough():
                raced = decided(self.ledger, one, self.study.search.floor.accuracy)
                confirms.publish_raced(raced)
                for left in raced.left_out:
                    self.noted(f"trial {left.trial}: on the front with p = {left.p_on_front:.3f}, gets no further seed")
        self._train(confirms.planned_of(one), place)
        self._attack(place)

    def _train(self, runs: Iterable[Run], place: Place) -> None:
        self.queue = deque(asked for run in runs if (asked := self._asked(run)) is not None)
        if self.queue:
            exchange = Exchange(
                self._ask, self._heard, _unheard, self.causes.avoided,
                left_out=lambda: frozenset(self.causes.left_out), look=self.standing_by.look, noted=self.noted,
            )  # fmt: skip
            self.fleet.trials(self.moved.resources, place, self.ledger, exchange)
            self._do(self.causes.end())
        if self.queue and self.room.enough():
            raise Interrupted(
                f"{self.ledger.root}: {counted(len(self.queue), 'training')} could not read images; {AGAIN}"
            )

    def _asked(self, run: Run) -> Asked | None:
        """Return what a training is that has no record: as it was asked, if it was."""
        ledger = self.ledger.of_seed(run.seed)
        if ledger.was_asked(run.trial):
            files = ledger.read(run.trial)
            return None if files.record else files.asked
        return asked_of(self.study, self.ledger.read(run.trial).asked, run.seed, self.work.suite, self.precision)

    def _ask(self) -> Asked | None:
        asked = self.queue.popleft() if self.queue and self.room.enough() else None
        if asked is not None:
            ledger = self.ledger.of_seed(asked.confirm)
            if not ledger.was_asked(asked.number):
                ledger.publish_asked(asked)
            self.noted(f"{_named(asked)} started")
        return asked

    def _heard(self, result: Result) -> None:
        self._do(self.causes.hear(result))

    def _do(self, step: Step) -> None:
        for result in step.publish:
            self._finish(result)
        for result in step.again:
            self.queue.append(result.record.asked)
            self.noted(f"{_named(result.record.asked)} is handed out again: {step.why}")
        if step.left_out is not None:
            self.noted(f"a node gets no more trainings until this is given again: {ALIKE} in a row failed there")
        if step.common is not None:
            raise Interrupted(f"trainings fail alike: {step.common.text}; {step.common.way_out}, then {AGAIN}")

    def _finish(self, result: Result) -> None:
        """Publish a training: attacks, then the record that finishes it."""
        record = result.record
        ledger = self.ledger.of_seed(record.asked.confirm)
        for attack in result.attacks:
            ledger.publish_attack(attack)
        ledger.publish_record(record)
        path = ledger.trial(record.number)
        self.room.ended(path)
        discard(path)
        self.comparison.hear(record.circumstances, *(attack.circumstances for attack in result.attacks))
        self.noted(f"{_named(record.asked)} {_told(result)}")

    def _attack(self, place: Place) -> None:
        """Run what trainings lack that ended before this round, those of one seed side by side."""
        lacks = dict(upgrades(Confirms(self.ledger), self.work.round))
        setbacks = Setbacks("attack", of_the_place, self.noted)
        submit = self.fleet.later(self.moved.resources, place, setbacks) if lacks else None
        for seed in sorted({run.seed for run in lacks}):
            ledger = self.ledger.of_seed(seed)
            tasks = [
                task
                for run, jobs in lacks.items()
                if run.seed == seed
                for task in tasks_of(ledger.read(run.trial), jobs)
            ]
            assert submit is not None
            look = self.standing_by.look
            running = run_tasks(tasks, place, submit, AGAIN, lambda progress: None, self.noted, look)
            with contextlib.closing(running) as found:
                for record in found:
                    ledger.publish_attack(record)
                    self.noted(f"trial {record.trial} seed {seed}: {record.job.name} {_ended(record.error)}")


def _unheard(number: int, said: Progress) -> None:
    """Hear nothing of how far a job is: a line tells when a training has ended."""


def _named(asked: Asked) -> str:
    return f"trial {asked.number} seed {asked.confirm}:"


def _ended(failure: Failure | None) -> str:
    return f"failed: {failure_line(failure)}" if failure else "is done"


def _told(result: Result) -> str:
    """Return how a training ended."""
    found = result.record.measured.objectives
    if found is None:
        return f"{result.record.state}: {failure_line(result.record.error)}"
    return f"accuracy {found.accuracy:.3f}, mse {found.mse:.4f}, ssim {found.ssim:.3f} on test"
