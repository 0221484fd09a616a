"""Decides what is tried next: anchors first, then every branch its turn, drawn by Optuna, written down before use."""

import functools
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.judging import Outline
from harness.ledger import Ledger
from harness.ledger.patience import Patience
from harness.records import Asked, AttackJob, Borrowed, Precision, Scalar, derive
from harness.search.drawing import draw, settled
from harness.search.index import frozen
from harness.search.informed import FLOOR, Informed, evidence, values_of
from harness.search.samplers import make_sampler
from harness.search.turns import Turns
from harness.study import Space, Study

REQUEST = "request"
"""Attribute of a row that somebody asked for: the request's name."""


class Conditions(NamedTuple):
    """What a new trial is given beside its settings; a resume may change its threads for trials not yet asked."""

    ledger: str
    attacks: tuple[AttackJob, ...]
    threads: dict[str, int]
    precision: Precision


class Search:
    """Ask and tell on Optuna's storage, with the ledger written first."""

    def __init__(
        self,
        study: Study,
        rows: optuna.Study,
        ledger: Ledger,
        conditions: Conditions,
        patience: Patience = Patience(),  # noqa: B008  # a frozen value
        borrowed: Borrowed | None = None,
    ) -> None:
        self._study, self._rows, self._ledger, self._conditions = study, rows, ledger, conditions
        self._patience = patience
        self._space = study.space()
        self._drawing = Informed(rows, () if borrowed is None else evidence(borrowed, study))
        self.again: deque[Asked] = deque()
        """Trials that were asked and not finished: handed out before anything new."""
        self.unstarted: deque[int] = deque()
        """Numbers of rows that were drawn and never asked: used before anything new."""
        known = rows.get_trials(deepcopy=False)
        self._num_rows = len(known)
        self._waiting = deque(row.number for row in known if row.state == TrialState.WAITING)

    def ask(self) -> Asked | None:
        """Return the next trial to run, its ``asked.json`` on storage; None when the budget is spent."""
        return self.again.popleft() if self.again else self._patience(self._ask, self._look_again)

    def _ask(self) -> Asked | None:
        turns = self._turns
        trial = self._next_row()
        if trial is None:
            return None
        asked = self._drawn(trial)
        self._drawing.changed(trial.number)
        turns.count(trial.params)
        self._ledger.publish_asked(asked)
        return asked

    @property
    def space(self) -> Space:
        """What the study searches over."""
        return self._space

    def enqueue(self, settings: Mapping[str, Scalar], request: str) -> int | None:
        """Let one of the trials that are still to be drawn have some settings, after the anchors.

        Args:
            settings: By path.
            request: Name of what asks for it; a trial that took it before, of which nobody knows, is the one.

        Returns:
            Its number; null if no trial is left to be drawn.
        """
        return self._patience(lambda: self._enqueue(settings, request), self._look_again)

    def _enqueue(self, settings: Mapping[str, Scalar], request: str) -> int | None:
        search = self._study.search
        if taken := self._taken(request):
            return taken[0]
        while self._num_rows < min(len(search.anchors), search.trials):
            self._due()
        if self._num_rows >= search.trials:
            return None
        self._put(settled(self._space, settings), {REQUEST: request})
        taken = self._taken(request)
        if len(taken) > 1:  # a server's answer was lost, and Optuna has asked it again
            for number in taken[1:]:
                self._free(number)
            self._look_again()
        return taken[0]

    def _taken(self, request: str) -> list[int]:
        """Return the trials that took what a request asks for."""
        return [row.number for row in self._rows.get_trials(deepcopy=False) if row.user_attrs.get(REQUEST) == request]

    def _free(self, number: int) -> None:
        """Let a row that waits be for whose turn it will be."""
        storage, row = self._rows._storage, self._row(number)._trial_id
        storage.set_trial_system_attr(row, "fixed_params", {})
        storage.set_trial_user_attr(row, REQUEST, "")

    def has(self, number: int, settings: Mapping[str, Scalar]) -> bool:
        """Say whether a trial, asked or still to be, has some settings, or will have them."""
        if number >= self._num_rows:  # its row was lost before it was asked
            return False
        row = self._row(number)
        held = row.system_attrs.get("fixed_params") or row.params
        return settled(self._space, settings).items() <= held.items()

    def _due(self) -> None:
        """Add a row that waits, for whose turn it is."""
        params, anchor = self._turns.due(self._num_rows, self._num_rows)
        self._put(params, {"anchor": True} if anchor else {})

    def _put(self, params: Mapping[str, Scalar], attributes: dict[str, str | bool]) -> None:
        """Add a row that waits."""
        number = self._num_rows
        self._rows.enqueue_trial(dict(params), user_attrs=attributes)
        self._drawing.changed(number)
        self._waiting.append(number)
        self._num_rows += 1

    def left(self) -> bool:
        """Say whether there is a trial to run."""
        return bool(self.again) or self._started < self._study.search.trials

    def tell(self, trial: Outline) -> None:
        """Give Optuna a finished trial's objectives, or its failure; a row that is finished already stays as it is.

        The objectives are those over all its attacks, among them those that were run after the record.
        """
        self._patience(lambda: self._tell(trial))

    def _tell(self, trial: Outline) -> None:
        self._drawing.changed(trial.number)
        row = self._row(trial.number)
        if row.state.is_finished():
            if row.state == TrialState.FAIL and trial.objectives is not None:
                self._drawing.inform(trial.number, frozen(trial, self._space))  # a finished row never changes
            return
        if trial.objectives is None:
            self._rows.tell(trial.number, state=TrialState.FAIL)
            return
        if trial.constraint is not None:
            optuna.trial.Trial(self._rows, row._trial_id).set_constraint(FLOOR, trial.constraint)
        self._rows.tell(trial.number, values_of(trial.objectives))

    def _next_row(self) -> optuna.Trial | None:
        search = self._study.search
        if self._started >= search.trials:
            return None
        seed = derive(search.seed, "sampler", self._num_rows, len(self.unstarted)) % 2**32
        self._drawing.sampler = make_sampler(search.sampler, search.seed, seed)
        if self.unstarted:
            return self._drawing.begin(self.unstarted.popleft())
        if self._waiting:
            self._pin(self._row(self._waiting[0]))
        else:
            self._due()
        return self._drawing.begin(self._waiting.popleft())

    def _look_again(self) -> None:
        """Count the rows anew: an ask that failed half-way has left one that waits, or one that nobody was asked."""
        known = self._rows.get_trials(deepcopy=False)
        self._num_rows = len(known)
        self._waiting = deque(row.number for row in known if row.state == TrialState.WAITING)
        running = (row.number for row in known if row.state == TrialState.RUNNING)
        self.unstarted = deque(number for number in running if not self._ledger.was_asked(number))
        self.__dict__.pop("_turns", None)
        self._drawing.forget()

    @property
    def _started(self) -> int:
        """Trials that were handed out at least once."""
        return self._num_rows - len(self._waiting) - len(self.unstarted)

    @functools.cached_property
    def _turns(self) -> Turns:
        """Whose turn it is, counted once over the trials that were asked before."""
        turns, unstarted = Turns(self._study), set(self.unstarted)
        for row in self._rows.get_trials(deepcopy=False):
            if row.state != TrialState.WAITING and row.number not in unstarted:
                turns.count(row.params)
        return turns

    def _pin(self, row: FrozenTrial) -> None:
        """Give a waiting row that a rebuild left empty what its turn would have been."""
        if row.system_attrs.get("fixed_params"):
            return
        params, anchor = self._turns.due(row.number, self._num_rows)
        storage = self._rows._storage
        storage.set_trial_system_attr(row._trial_id, "fixed_params", params)
        if anchor:
            storage.set_trial_user_attr(row._trial_id, "anchor", True)

    def _drawn(self, trial: optuna.Trial) -> Asked:
        study = self._study
        return Asked(
            study=study.name,
            ledger=self._conditions.ledger,
            number=trial.number,
            settings=draw(trial, self._space),
            attacks=self._conditions.attacks,
            seed=derive(study.search.seed, "trial", trial.number),
            study_seed=study.search.seed,
            threads=self._conditions.threads,
            precision=self._conditions.precision,
            anchor=bool(trial.user_attrs.get("anchor", False)),
            floor=study.search.floor.accuracy,
        )

    def _row(self, number: int) -> FrozenTrial:
        storage = self._rows._storage
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self._rows._study_id, number))
