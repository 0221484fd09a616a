"""What a confirm is to do now: the round that it goes on with or begins, its trainings, and what these lack."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from harness.driver.candidates import Chosen
from harness.judging import confirmed, is_done, lacking
from harness.ledger import Confirms, Ledger, Run
from harness.records import Asked, AttackJob, LeftOut, Precision, Raced, Round, derive
from harness.study import Study
from harness.tables import confirmed_table
from reports.statistics import ERROR, FIRST, out_of_the_race


class Work(NamedTuple):
    """A round and what is left of it."""

    round: Round
    is_new: bool
    """Whether it is on storage yet."""
    suite: tuple[AttackJob, ...]
    """What a training is attacked by that was not asked for yet: all that any round so far attacks by, so that those of
    different rounds compare.
    """


def work_of(confirms: Confirms, wanted: Chosen, seeds: int, attacks: tuple[AttackJob, ...]) -> Work:
    """Return the round that was asked for: the last one if it is the same and not done, else a new one."""
    before = confirms.rounds()
    number = before[-1].number + 1 if before else 1
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = Round(
        number=number,
        time=now,
        trials=wanted.trials,
        raced=wanted.raced,
        seeds=seeds,
        first=FIRST,
        error=ERROR,
        attacks=attacks,
    )
    same = [each for each in before if each.model_copy(update={"number": number, "time": now}) == new]
    suite = dict.fromkeys(job for each in (*before, new) for job in each.attacks)
    return Work(same[-1] if same else new, not same, tuple(suite))


def left_of(confirms: Confirms, one: Round) -> list[Run]:
    """Return the trainings of a round that have not ended or lack an attack, in the order in which they run."""
    return [run for run in confirms.planned_of(one) if not is_done(confirms.read(run), one.attacks)]


def asked_of(study: Study, searched: Asked, seed: int, suite: tuple[AttackJob, ...], precision: Precision) -> Asked:
    """Return what a training is: a trial's settings and threads, with a seed and a precision that all candidates share.

    An equal seed gives equal initialisation, order of data and attackers.
    """
    own = derive(study.search.seed, "confirm", seed)
    return searched.model_copy(update={"seed": own, "confirm": seed, "attacks": suite, "precision": precision})


def is_race_on(confirms: Confirms, one: Round) -> bool:
    """Say whether it is still to be decided who gets no further seeds."""
    return bool(one.raced) and one.seeds > one.first and confirms.raced(one.number) is None


def decided(ledger: Ledger, one: Round, floor: float | None) -> Raced:
    """Return who gets no further seeds, now that everybody has had the first ones."""
    runs = confirmed_table(confirmed(ledger))
    runs = runs[runs["trial"].isin(one.trials)]
    out = out_of_the_race(runs, one.raced, floor, one.error)
    left = tuple(LeftOut(trial=int(str(trial)), p_on_front=float(p)) for trial, p in out.items())
    return Raced(number=one.number, left_out=left)


def upgrades(confirms: Confirms, one: Round) -> Iterator[tuple[Run, list[AttackJob]]]:
    """Yield the attacks of a round that trainings lack which ended before it."""
    for run in confirms.planned_of(one):
        files = confirms.read(run)
        ended = files if files and files.record and files.record.state != "failed" else None
        if ended and (lacks := lacking(ended, one.attacks)):
            yield run, lacks
