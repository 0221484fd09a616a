"""Reconciles a study's directory and Optuna's storage before anything starts."""

from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from harness.judging import judged_trials
from harness.ledger import Ledger
from harness.search.asking import Search


class Reconciled(NamedTuple):
    """What a resume found."""

    finished: int
    """Trials with a record."""
    told: int
    """Records that Optuna had not heard of."""
    again: int
    """Trials that were asked and are handed out again."""
    unstarted: int
    """Rows that were drawn and never started: they are reused."""


def reconcile(search: Search, rows: optuna.Study, ledger: Ledger) -> Reconciled:
    """Tell Optuna what it missed, and queue what was cut off; nothing double, nothing lost."""
    known = rows.get_trials(deepcopy=False)
    finished, told, asked = 0, 0, set()
    for trial in judged_trials(ledger):
        asked.add(trial.number)
        if trial.record is None:
            search.again.append(trial.asked)
            continue
        finished += 1
        if not known[trial.number].state.is_finished():
            search.tell(trial.record)
            told += 1
    for row in known:
        if row.state == TrialState.RUNNING and row.number not in asked:
            search.unstarted.append(row.number)
    return Reconciled(finished, told, len(search.again), len(search.unstarted))
