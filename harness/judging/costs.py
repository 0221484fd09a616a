"""What a study's trials and attacks took, read from the circumstances in their records."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from harness.ledger.files import TrialFiles
from harness.records.record import Circumstances


class Span(NamedTuple):
    """A time in which a stage ran."""

    start: datetime
    end: datetime


def costs(trials: Iterable[TrialFiles]) -> list[Circumstances]:
    """Return the circumstances of every finished trial and of its attacks."""
    found = []
    for files in trials:
        if files.record:
            found += [files.record.circumstances, *(attack.circumstances for attack in files.attacks)]
    return found


def train_seconds(files: TrialFiles) -> float:
    """Return what a finished trial took before its attacks, seconds: its record's sum without the attacks it knew."""
    if files.record is None:
        raise ValueError(f"trial {files.number} is not finished")
    known = [attack for attack in files.attacks if attack.job.name in files.record.verdicts]
    return round(files.record.circumstances.seconds - sum(attack.circumstances.seconds for attack in known), 3)


def spans(trials: Iterable[TrialFiles]) -> list[Span]:
    """Return when each training and each attack of the finished trials ran."""
    found = []
    for files in trials:
        if files.record:
            found.append(_span(files.record.circumstances, train_seconds(files)))
            found += [_span(attack.circumstances, attack.circumstances.seconds) for attack in files.attacks]
    return found


def covered(times: Iterable[Span]) -> float:
    """Return the seconds in which at least one stage ran: pauses between sessions do not count."""
    total, until = timedelta(), datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(times):
        total += max(end - max(start, until), timedelta())
        until = max(until, end)
    return total.total_seconds()


def _span(cost: Circumstances, seconds: float) -> Span:
    start = datetime.fromisoformat(cost.started)
    return Span(start, start + timedelta(seconds=seconds))
