"""Runs a study's attacks on trials that finished without them: those of a wider study, and of other levels."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from harness.cluster import Runner, Setbacks
from harness.driver.campaign import levels_left
from harness.driver.causes import of_the_place
from harness.driver.conditions import place_of
from harness.driver.later import Task, tasks_of
from harness.driver.priming import run_primed
from harness.errors import UserError
from harness.judging import Book, lacked
from harness.ledger import Ledger, TrialFiles
from harness.records import AttackJob, Progress
from harness.study import Study
from reports.formats import counted

WIDENED = "on trials that finished before the study had it"
"""Where attacks run that came when the study was widened."""


def lacking(ledger: Ledger, added: Iterable[AttackJob], but: Iterable[Task] = ()) -> list[Task]:
    """Return what is left to run of attacks: on each complete trial those that it lacks.

    Args:
        ledger: The study's directory.
        added: The attacks.
        but: Those that have been tried.

    Raises:
        UserError: a trial cannot be attacked so; says how to go on without.
    """
    jobs, tried = tuple(added), [(task.files.number, task.job) for task in but]
    files = ledger.trials() if jobs else ()
    left = [task for trial in files if (lacks := lacked(trial, jobs)) for task in _tasks(trial, lacks)]
    return [task for task in left if (task.files.number, task.job) not in tried]


def _tasks(files: TrialFiles, jobs: Sequence[AttackJob]) -> list[Task]:
    try:
        return tasks_of(files, jobs, read=False)
    except UserError as error:
        raise UserError(f"{error}; or postpone it with --later") from error


class Ground(NamedTuple):
    """Where a study's attacks on finished trials run."""

    study: Study
    """Says which, where, and by what share of a node."""
    ledger: Ledger
    """Its directory."""
    fleet: Runner
    """Runs them."""
    way: str
    """How to go on if it is cut off, a clause."""
    noted: Callable[[str], None]
    """Hears of each, and of trials that are left out."""
    look: Callable[[], None] = lambda: None
    """Looks at what was asked; what it raises ends the work."""


def catch_up(tasks: Sequence[Task], ground: Ground, where: str = WIDENED) -> None:
    """Run what is left, and publish each as it ends; ``where`` says on which trials, in words."""
    ground.noted(f"{counted(len(tasks), 'attack')} to run {where}")
    place = place_of(ground.study, ground.ledger)
    resources, fleet = ground.study.resources, ground.fleet
    submit = fleet.later(resources, place, Setbacks("attack", of_the_place, ground.noted))
    running = run_primed(tasks, place, submit, resources, fleet, ground.way, _unheard, ground.noted, ground.look)
    with contextlib.closing(running) as found:
        for record in found:
            ground.ledger.publish_attack(record)
            ground.noted(f"trial {record.trial}: attack {record.job.name} {record.measured.verdict}")


def _unheard(progress: Progress) -> None:
    """Hear of progress that nobody is shown."""


def run_levels(book: Book, ground: Ground) -> bool:
    """Run what is left of a study's attacks at levels beside its own attacker's; say whether anything was.

    Args:
        book: What is known of its trials: whose front it is.
        ground: Where they run.
    """
    left = levels_left(ground.study, book, ground.ledger)
    for line in left.left_out:
        ground.noted(line)
    if left.tasks:
        on = "the front" if ground.study.attacker.levels == "front" else "every complete trial"
        where = f"at the other levels of attacker/images, on {on}"
        catch_up(left.tasks, ground, where)
    return bool(left.tasks)
