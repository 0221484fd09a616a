"""How far a study is: read from its directory alone."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pandas

from harness.judging.worst import current
from harness.ledger.files import Ledger, TrialFiles
from harness.records.objectives import DIRECTIONS
from harness.records.record import Value
from harness.study import Study
from reports.front import on_front

STATES = ("complete", "failed", "partial", "pruned", "running", "waiting")


class Status(Value):
    """What ``invfront status --json`` prints."""

    name: str
    digest: str
    budget: int
    states: dict[str, int]
    """Trials by state; they add up to the budget."""
    front: tuple[int, ...]
    """Numbers of the trials that nothing dominates."""
    objectives: dict[str, str]
    """Direction of each objective."""


class Row(NamedTuple):
    """One trial of the front's table."""

    trial: int
    state: str
    feasible: bool
    accuracy: float
    mse: float
    ssim: float


def state_of(files: TrialFiles) -> str:
    """Return a trial's state; an asked trial without a record is running."""
    return files.record.state if files.record else "running"


def objectives_table(trials: Iterable[TrialFiles]) -> pandas.DataFrame:
    """Return what decides the front: one row per trial, NaN where an objective is missing."""
    rows = []
    for files in trials:
        found = current(files)
        numbers = [getattr(found, name) if found else float("nan") for name in DIRECTIONS]
        feasible = bool(files.record and files.record.measured.feasible)
        rows.append(Row(files.number, state_of(files), feasible, *numbers))
    return pandas.DataFrame(rows, columns=Row._fields)


def front_numbers(trials: Iterable[TrialFiles]) -> tuple[int, ...]:
    """Return the numbers of the trials that nothing dominates."""
    table = objectives_table(trials)
    return tuple(int(number) for number in table.loc[on_front(table), "trial"])


def read_status(study: Study, ledger: Ledger) -> Status:
    """Return the state of a study."""
    trials = list(ledger.trials())
    counts = Counter(state_of(files) for files in trials)
    budget = max(study.search.trials, len(trials))
    counts["waiting"] = budget - len(trials)
    return Status(
        name=study.name,
        digest=study.digest(),
        budget=budget,
        states={state: counts[state] for state in STATES},
        front=front_numbers(trials),
        objectives=dict(DIRECTIONS),
    )
