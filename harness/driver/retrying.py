"""Which trials are run again, since they failed or an attack on them did, and what their new record says of that."""

from collections.abc import Sequence

import attacks
from harness.errors import UserError
from harness.ledger import RETRIED, SERVER, Ledger, TrialFiles, find
from harness.records import Asked, Record, failure_line
from harness.trial import weights_of

WAY = "the same command goes on"
"""How to go on after an interrupt."""


def chosen_trials(ledger: Ledger, chosen: Sequence[str]) -> tuple[list[Asked], list[str]]:
    """Return the trials to run again, by number, and a line on each that was left out.

    Args:
        ledger: The study's directory.
        chosen: Numbers, or ``failed`` and ``partial`` for all of these; nothing for both.

    Raises:
        UserError: a trial that is named cannot be retried, and why.
    """
    kinds = {name for name in chosen if name in RETRIED} or (set() if chosen else set(RETRIED))
    named = {_number(text, ledger) for text in chosen if text not in RETRIED}
    again, told = [], []
    for number in ledger.numbers():
        files = ledger.read(number)
        if number not in named and (files.record is None or files.record.state not in kinds):
            continue
        why = _barred(files)
        if why and number in named:
            raise UserError(f"TRIAL {number}: {why}")
        if why:
            told.append(f"trial {number} is left out: {why}")
        else:
            again.append(files.asked)
    return again, told


def _number(text: str, ledger: Ledger) -> int:
    if not text.isdecimal():
        raise UserError(f"TRIAL {text}: takes the number of a trial, failed or partial")
    if not ledger.was_asked(int(text)):
        raise UserError(f"TRIAL {text}: was not asked; see `invfront status {ledger.root}`")
    return int(text)


def _barred(files: TrialFiles) -> str | None:
    """Return why a trial cannot be retried; null if it can."""
    if files.record is None:
        return "is not finished; `invfront resume` runs it"
    if files.record.state not in RETRIED:
        return f"is {files.record.state}; only failed and partial trials are retried"
    found = find(files.path, files.asked.attacks)
    if found.trained is None or (weights_of(files.path, found.trained) / SERVER).exists():
        return None
    for job in files.asked.attacks:
        kind = attacks.resolve(job.attack)
        if job.name not in found.attacks and kind.needs_server and not getattr(kind, "labels_alone", False):
            return f"{job.attack} asks the server, which was let go"
    return None


def told_of(record: Record, before: Record | None) -> Record:
    """Return a retried trial's record with a note on how the one before it ended."""
    if before is None:
        return record
    why = failure_line(before.error)
    note = f"retried: it had ended {before.state}" + (f", {why}" if why else "")
    return record.model_copy(update={"notes": (*record.notes, note)})
