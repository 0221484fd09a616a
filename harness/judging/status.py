"""How far a study is: its trials by state, and those that nothing dominates."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy

from harness.judging.trials import RUNNING, JudgedTrial
from harness.records import DIRECTIONS, Objectives, Value
from reports.dominance import DIRECTIONS as SIGNS
from reports.dominance import non_dominated

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


class FrontRow(NamedTuple):
    """One trial of the front's table."""

    trial: int
    state: str
    feasible: bool
    accuracy: float
    mse: float
    ssim: float


class _Judged(Protocol):
    """A judged trial, or the outline of one."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def feasible(self) -> bool: ...
    @property
    def objectives(self) -> Objectives | None: ...


def row_of(trial: _Judged) -> FrontRow:
    """Return what decides whether a trial is on the front, NaN where an objective is missing."""
    found = trial.objectives
    numbers = [float(getattr(found, name)) if found else float("nan") for name in DIRECTIONS]
    return FrontRow(trial.number, trial.state, trial.feasible, *numbers)


def front_numbers(rows: Iterable[FrontRow]) -> tuple[int, ...]:
    """Return the numbers of the trials that nothing dominates: complete, not below the floor, all objectives known."""
    able = [row for row in rows if row.state == "complete" and row.feasible and all(map(math.isfinite, row[3:]))]
    points = numpy.array([row[3:] for row in able]).reshape(-1, len(DIRECTIONS)) * [*SIGNS.values()]
    return tuple(row.trial for row, keeps in zip(able, non_dominated(points), strict=True) if keeps)


def states(rows: Iterable[FrontRow], budget: int) -> dict[str, int]:
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
    return status_of(identity, budget, Counter(row.state for row in rows), front_numbers(rows))


def status_of(identity: Mapping[str, str], budget: int, counts: Counter[str], front: Iterable[int]) -> Status:
    """Return what ``status`` returns, of trials that were counted by state and whose front is known."""
    return Status(
        **identity,
        budget=max(budget, counts.total()),
        states=counted_states(counts, budget),
        front=tuple(front),
        objectives=dict(DIRECTIONS),
    )
