"""What a study's trials and attacks took, read from the circumstances in their records."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from harness.judging.trials import JudgedTrial
from harness.records import Circumstances


class Interval(NamedTuple):
    """A time in which a stage ran."""

    start: datetime
    end: datetime


def costs(trials: Iterable[JudgedTrial]) -> list[Circumstances]:
    """Return the circumstances of every finished trial and of its attacks."""
    found = []
    for trial in trials:
        if trial.record:
            found += [trial.record.circumstances, *(attack.circumstances for attack in trial.attacks)]
    return found


def train_seconds(trial: JudgedTrial) -> float:
    """Return what a finished trial took before its attacks, seconds: its record's sum without the attacks it knew."""
    if trial.record is None:
        raise ValueError(f"trial {trial.number} is not finished")
    known = [attack for attack in trial.attacks if attack.job.name in trial.record.verdicts]
    return round(trial.record.circumstances.seconds - sum(attack.circumstances.seconds for attack in known), 3)


def reserved_seconds(trials: Iterable[JudgedTrial], share: float, beside: float = 0.0) -> float:
    """Return the GPU seconds that finished trials reserved.

    Args:
        trials: The trials.
        share: GPUs that a trial holds from its first job to its last.
        beside: GPUs that each attack takes in a place of its own, beside it; 0 where attacks share the trial's.
    """
    total = 0.0
    for trial in trials:
        own = trial.asked.attacks
        ran = [attack for attack in trial.attacks if attack.job in own] if trial.record else []
        if share:
            total += share * covered(spans([trial]))
        total += beside * sum(attack.circumstances.seconds for attack in ran)
    return total


def spans(trials: Iterable[JudgedTrial]) -> list[Interval]:
    """Return when each training and each attack of the finished trials ran, as far as their records can tell."""
    found = []
    for trial in trials:
        if trial.record:
            found.append(_span(trial.record.circumstances, train_seconds(trial)))
            found += [_span(attack.circumstances, attack.circumstances.seconds) for attack in trial.attacks]
    return [span for span in found if span is not None]


def covered(times: Iterable[Interval]) -> float:
    """Return the seconds in which at least one stage ran: pauses between sessions do not count."""
    total, until = timedelta(), datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(times):
        total += max(end - max(start, until), timedelta())
        until = max(until, end)
    return total.total_seconds()


def _span(cost: Circumstances, seconds: float) -> Interval | None:
    """Return when a stage ran; null if its record has no such time: what was measured stands all the same."""
    try:
        start = datetime.fromisoformat(cost.started)
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        return Interval(start, start + timedelta(seconds=seconds)) if seconds >= 0 else None
    except (ValueError, OverflowError):
        return None
