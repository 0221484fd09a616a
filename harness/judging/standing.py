"""How far a study is: its trials by state, and those that nothing dominates."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import pandas

from harness.judging.trials import RUNNING, JudgedTrial
from harness.records import DIRECTIONS, Objectives, Value
from reports.front import on_front

STATES = ("complete", "failed", "partial", "pruned", RUNNING, "waiting")


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


class _Standing(Protocol):
    """A trial, or the outline of one."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def feasible(self) -> bool: ...
    @property
    def objectives(self) -> Objectives | None: ...


def row_of(trial: _Standing) -> Row:
    """Return what decides whether a trial is on the front, NaN where an objective is missing."""
    found = trial.objectives
    numbers = [float(getattr(found, name)) if found else float("nan") for name in DIRECTIONS]
    return Row(trial.number, trial.state, trial.feasible, *numbers)


def objectives_table(rows: Iterable[Row]) -> pandas.DataFrame:
    """Return what decides the front: one row per trial."""
    return pandas.DataFrame(rows, columns=Row._fields)


def front_numbers(rows: Iterable[Row]) -> tuple[int, ...]:
    """Return the numbers of the trials that nothing dominates."""
    table = objectives_table(rows)
    return tuple(int(number) for number in table.loc[on_front(table), "trial"])


def states(rows: Iterable[Row], budget: int) -> dict[str, int]:
    """Return the number of trials by state; waiting are those of the budget that were not asked yet."""
    return counted_states(Counter(row.state for row in rows), budget)


def counted_states(counts: Counter[str], budget: int) -> dict[str, int]:
    """Return what ``states`` returns, of trials that were counted."""
    waiting = max(budget - counts.total(), 0)
    return {state: waiting if state == "waiting" else counts[state] for state in STATES}


def status(identity: Mapping[str, str], budget: int, trials: Iterable[JudgedTrial]) -> Status:
    """Return the state of a study.

    Args:
        identity: Its ``name`` and ``digest``.
        budget: Trials it was given; more may have been asked.
        trials: Those that were asked.
    """
    rows = [row_of(trial) for trial in trials]
    return Status(
        **identity,
        budget=max(budget, len(rows)),
        states=states(rows, budget),
        front=front_numbers(rows),
        objectives=dict(DIRECTIONS),
    )
