"""What the sampler sees beside its rows: results of another study, and of trials that were retried.

No row has them: Optuna's storage tells of one study alone, and a row of it that has failed stays so.
"""

from collections.abc import Container, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.records import DIRECTIONS, Borrowed, BorrowedResult, Objectives
from harness.search.drawing import distributions, settled
from harness.study import Space, Study

FLOOR = "floor/accuracy"
"""Name of the constraint: the floor minus the accuracy, feasible at or below 0."""


class Informed(optuna.Study):
    """A study of whose trials the sampler sees more than its storage has.

    Args:
        rows: The study.
        evidence: Trials that were finished before its first one.
    """

    def __init__(self, rows: optuna.Study, evidence: Sequence[FrozenTrial]) -> None:
        super().__init__(rows.study_name, rows._storage)
        self._evidence = list(evidence)
        self._retried: dict[int, FrozenTrial] = {}

    def inform(self, number: int, trial: FrozenTrial) -> None:
        """Show the sampler what a trial of the study came to when it was retried, whose row has failed for good."""
        trial.number = number
        self._retried[number] = trial

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        own = super()._get_trials(deepcopy, states, use_cache)
        more = [
            trial for trial in (*self._evidence, *self._retried.values()) if states is None or trial.state in states
        ]
        return [*more, *own] if more else own


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
