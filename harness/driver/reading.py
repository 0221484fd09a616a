"""Reads a study's directory as a driver remembers it, once."""

from collections.abc import Iterable, Iterator

from harness.errors import UserError
from harness.judging import Book, JudgedTrial, judged_trials
from harness.ledger import Ledger


def read_book(ledger: Ledger, owner: str) -> Book:
    """Read a directory, once.

    Raises:
        UserError: a file cannot be read, or came from another directory.
    """
    return Book(_owned(judged_trials(ledger), owner))


def _owned(trials: Iterable[JudgedTrial], owner: str) -> Iterator[JudgedTrial]:
    for trial in trials:
        if trial.asked.ledger != owner:
            raise UserError(f"{trial.path}: belongs to ledger {trial.asked.ledger}, not {owner}; move it back there")
        yield trial
