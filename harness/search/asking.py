"""Decides what is tried next: anchors first, then every branch its turn, drawn by Optuna, written down before use."""

import random
from collections import Counter, deque
from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.judging import judged
from harness.ledger import Ledger
from harness.records import DIRECTIONS, Asked, AttackJob, Objectives, Precision, Record, Scalar, derive
from harness.search.drawing import draw, enumerate_branch, size
from harness.search.samplers import make_sampler
from harness.study import Study

FLOOR = "floor/accuracy"
"""Name of the constraint: the floor minus the accuracy, feasible at or below 0."""


class Conditions(NamedTuple):
    """What a new trial is given beside its settings; a resume may change its threads for trials not yet asked."""

    ledger: str
    attacks: tuple[AttackJob, ...]
    threads: dict[str, int]
    precision: Precision


class Search:
    """Ask and tell on Optuna's storage, with the ledger written first."""

    def __init__(self, study: Study, rows: optuna.Study, ledger: Ledger, conditions: Conditions) -> None:
        self._study, self._rows, self._ledger, self._conditions = study, rows, ledger, conditions
        self._space = study.space()
        self.again: deque[Asked] = deque()
        """Trials that were asked and not finished: handed out before anything new."""
        self.unstarted: deque[int] = deque()
        """Numbers of rows that were drawn and never asked: used before anything new."""

    def ask(self) -> Asked | None:
        """Return the next trial to run, its ``asked.json`` on storage; None when the budget is spent."""
        if self.again:
            return self.again.popleft()
        trial = self._next_row()
        if trial is None:
            return None
        asked = self._drawn(trial)
        self._ledger.publish_asked(asked)
        return asked

    def left(self) -> bool:
        """Say whether there is a trial to run."""
        return bool(self.again) or self._started(self._rows.get_trials(deepcopy=False)) < self._study.search.trials

    def tell(self, record: Record) -> None:
        """Give Optuna a finished trial's objectives, or its failure; a row that is finished already stays as it is.

        The objectives are those over all attacks on storage, among them those that were run after the record.
        """
        row = self._row(record.number)
        if row.state.is_finished():
            return
        objectives = judged(self._ledger.read(record.number)).objectives or record.measured.objectives
        if record.state != "complete" or objectives is None:
            self._rows.tell(record.number, state=TrialState.FAIL)
            return
        constraint = constraint_of(record)
        if constraint is not None:
            optuna.trial.Trial(self._rows, row._trial_id).set_constraint(FLOOR, constraint)
        self._rows.tell(record.number, values_of(objectives))

    def _next_row(self) -> optuna.Trial | None:
        rows = self._rows.get_trials(deepcopy=False)
        if self._started(rows) >= self._study.search.trials:
            return None
        waiting = [row for row in rows if row.state == TrialState.WAITING]
        seed = derive(self._study.search.seed, "sampler", len(rows), len(self.unstarted)) % 2**32
        self._rows.sampler = make_sampler(self._study.search.sampler, self._study.search.seed, seed)
        if self.unstarted:
            return optuna.trial.Trial(self._rows, self._row(self.unstarted.popleft())._trial_id)
        if waiting:
            self._pin(waiting[0], rows)
        else:
            params, anchor = self._due(len(rows), rows)
            self._rows.enqueue_trial(params, user_attrs={"anchor": True} if anchor else {})
        return self._rows.ask()

    def _started(self, rows: list[FrozenTrial]) -> int:
        waiting = sum(row.state == TrialState.WAITING for row in rows)
        return len(rows) - waiting - len(self.unstarted)

    def _pin(self, row: FrozenTrial, rows: list[FrozenTrial]) -> None:
        """Give a waiting row that a rebuild left empty what its turn would have been."""
        if _drawn(row):
            return
        params, anchor = self._due(row.number, rows)
        storage = self._rows._storage
        storage.set_trial_system_attr(row._trial_id, "fixed_params", params)
        if anchor:
            storage.set_trial_user_attr(row._trial_id, "anchor", True)

    def _due(self, number: int, rows: list[FrozenTrial]) -> tuple[dict[str, Scalar], bool]:
        """Return what a trial is pinned to, an anchor or the branch whose turn it is, and whether it is the former."""
        anchors = self._study.search.anchors
        if number < len(anchors):
            return dict(anchors[number]), True
        if self._study.search.allocate == "joint" and self._study.search.sampler != "grid":
            return {}, False
        asked = [_drawn(row) for row in rows]
        counts = Counter(params.get("defense/name") for params in asked)
        branch = min(self._open_branches(asked), key=lambda name: counts[name])
        return self._turn(branch, asked), False

    def _open_branches(self, asked: list[dict[str, Scalar]]) -> list[str]:
        """Return the branches that have something new; all of them if none has."""
        distinct = Counter(params.get("defense/name") for params in _distinct(asked))
        branches = list(self._space.defense)
        return [name for name in branches if distinct[name] < size(self._space, name)] or branches

    def _turn(self, branch: str, asked: list[dict[str, Scalar]]) -> dict[str, Scalar]:
        """Return what a branch's next trial is pinned to: of a small finite branch, a setting not asked yet."""
        grid = self._study.search.sampler == "grid"
        if size(self._space, branch) > self._study.search.trials and not grid:
            return {"defense/name": branch}
        settings = list(enumerate_branch(self._space, branch))
        times = Counter(_key(params) for params in asked)
        least = min(times[_key(params)] for params in settings)
        new = [params for params in settings if times[_key(params)] == least]
        chosen = new[0] if grid else random.Random(derive(self._study.search.seed, "finite", len(asked))).choice(new)
        return chosen

    def shared(self) -> Asked:
        """Return what all trials are asked alike, as an unnumbered trial's: for jobs that run before the first."""
        constants = {path: value for path, value in self._space.shared.items() if isinstance(value, Scalar)}
        return self._asked(-1, constants, anchor=False)

    def _drawn(self, trial: optuna.Trial) -> Asked:
        return self._asked(trial.number, draw(trial, self._space), anchor=bool(trial.user_attrs.get("anchor", False)))

    def _asked(self, number: int, settings: dict[str, Scalar], *, anchor: bool) -> Asked:
        study, resources = self._study, self._study.resources
        return Asked(
            study=study.name,
            ledger=self._conditions.ledger,
            number=number,
            settings=settings,
            data_root=study.data.root,
            attacker_root=study.attacker.root,
            download=study.data.download,
            attacks=self._conditions.attacks,
            seed=derive(study.search.seed, "trial", number),
            study_seed=study.search.seed,
            threads=self._conditions.threads,
            precision=self._conditions.precision,
            anchor=anchor,
            floor=study.search.floor.accuracy,
            checkpoint_seconds=resources.checkpoint,
            timeout_seconds=resources.timeout,
        )

    def _row(self, number: int) -> FrozenTrial:
        return self._rows.get_trials(deepcopy=False)[number]


def values_of(objectives: Objectives) -> list[float]:
    """Return objectives in Optuna's order."""
    return [getattr(objectives, name) for name in DIRECTIONS]


def constraint_of(record: Record) -> float | None:
    """Return how far the accuracy lies below the floor; null if there is no floor."""
    accuracy, floor = record.measured.accuracy, record.asked.floor
    return None if floor is None or accuracy is None else floor - accuracy


def _drawn(row: FrozenTrial) -> dict[str, Scalar]:
    """Return a row's parameters; of a waiting one, those it is pinned to."""
    return dict(row.params) or dict(row.system_attrs.get("fixed_params", {}))


def _distinct(asked: list[dict[str, Scalar]]) -> list[dict[str, Scalar]]:
    return list({_key(params): params for params in asked}.values())


def _key(params: dict[str, Scalar]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((path, repr(value)) for path, value in params.items()))
