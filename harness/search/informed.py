"""What the sampler sees: its rows, and beside them results of another study, and of trials that were retried.

No row has the latter: Optuna's storage tells of one study alone, and a row of it that has failed stays so.
"""

import copy
from collections.abc import Container, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.records import DIRECTIONS, Borrowed, BorrowedResult, Objectives
from harness.search.drawing import distributions, settled
from harness.study import Space, Study

FLOOR = "floor/accuracy"
"""Name of the constraint: the floor minus the accuracy, feasible at or below 0."""


class Informed(optuna.Study):
    """A study of whose trials the sampler sees more than its storage has, and whose rows are read when they change.

    Optuna reads every row that is not finished several times for one draw, since any process may have changed it; a
    study's rows are changed by its driver alone, which says of which it has done so.

    Args:
        rows: The study.
        evidence: Trials that were finished before its first one.
    """

    def __init__(self, rows: optuna.Study, evidence: Sequence[FrozenTrial]) -> None:
        super().__init__(rows.study_name, rows._storage)
        self._evidence = list(evidence)
        self._retried: dict[int, FrozenTrial] = {}
        self._own: dict[int, FrozenTrial] = {}
        """Rows as they were read last, by ascending number; none before the first look."""
        self._changed: set[int] = set()

    def inform(self, number: int, trial: FrozenTrial) -> None:
        """Show the sampler what a trial of the study came to when it was retried, whose row has failed for good."""
        trial.number = number
        self._retried[number] = trial

    def changed(self, number: int) -> None:
        """Hear that a row is new, or another than before."""
        self._changed.add(number)

    def forget(self) -> None:
        """Read all rows anew at the next look."""
        self._own.clear()

    def begin(self, number: int) -> optuna.Trial:
        """Return a row that waits, or was begun, as a trial to draw; say once it is drawn that it has changed."""
        self.changed(number)
        storage = self._storage
        row = storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        storage.set_trial_state_values(row, state=TrialState.RUNNING)  # one that runs stays as it is
        return optuna.Trial(self, row)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        self._look()
        seen = (*self._evidence, *self._retried.values(), *self._own.values())
        chosen = [trial for trial in seen if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _look(self) -> None:
        """Read the rows that have changed."""
        if not self._own:
            self._own = {row.number: row for row in self._storage.get_all_trials(self._study_id, deepcopy=False)}
        for number in sorted(self._changed):
            row = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
            self._own[number] = self._storage.get_trial(row)
        self._changed.clear()


def evidence(borrowed: Borrowed, study: Study) -> list[FrozenTrial]:
    """Return results as trials of this study's space, feasible by this study's floor; older than its own trials."""
    space, floor, first = study.space(), study.search.floor.accuracy, -len(borrowed.results)
    return [_trial(result, space, floor, first + index) for index, result in enumerate(borrowed.results)]


def _trial(result: BorrowedResult, space: Space, floor: float | None, number: int) -> FrozenTrial:
    drawn = distributions(space, result.settings)
    trial = create_trial(
        values=values_of(result.objectives),
        params=settled(space, {path: result.settings[path] for path in drawn}),
        distributions=drawn,
        constraints=None if floor is None else {FLOOR: floor - result.objectives.accuracy},
    )
    trial.number = number
    return trial


def values_of(objectives: Objectives) -> list[float]:
    """Return objectives in Optuna's order."""
    return [getattr(objectives, name) for name in DIRECTIONS]
