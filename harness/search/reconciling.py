"""Reconciles a study's directory and Optuna's storage before anything starts."""

from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.judging import Book, Outline
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


def reconcile(search: Search, rows: optuna.Study, book: Book) -> Reconciled:
    """Tell Optuna what it missed, and queue what was cut off; nothing double, nothing lost."""
    known, told = rows.get_trials(deepcopy=False), 0
    for outline in book.outlines.values():
        row = known[outline.number]
        if outline.finished and (not row.state.is_finished() or _was_retried(outline, row)):
            search.tell(outline)
            told += not row.state.is_finished()
    search.again.extend(book.unfinished.values())
    for row in known:
        if row.state == TrialState.RUNNING and row.number not in book.outlines:
            search.unstarted.append(row.number)
    finished = len(book.outlines) - len(book.unfinished)
    return Reconciled(finished, told, len(search.again), len(search.unstarted))


def _was_retried(outline: Outline, row: FrozenTrial) -> bool:
    return row.state == TrialState.FAIL and outline.objectives is not None
