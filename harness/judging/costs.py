"""What a study's trials and attacks took, read from the circumstances in their records."""

from bisect import bisect_right
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


def reserved_seconds(trials: Iterable[JudgedTrial], share: float) -> float:
    """Return the GPU seconds that finished trials reserved.

    Args:
        trials: The trials.
        share: GPUs that a trial holds from its first job to its last.
    """
    return sum(share * covered(spans([trial])) for trial in trials) if share else 0.0


def spans(trials: Iterable[JudgedTrial]) -> list[Interval]:
    """Return when each training and each attack of the finished trials ran, as far as their records can tell."""
    found = []
    for trial in trials:
        if trial.record:
            found.append(_span(trial.record.circumstances, train_seconds(trial)))
            found += [_span(attack.circumstances, attack.circumstances.seconds) for attack in trial.attacks]
    return [span for span in found if span is not None]


def worked(trials: Iterable[JudgedTrial]) -> dict[int, float]:
    """Return the hours in which at least one stage ran up to the end of each finished trial, by its number.

    A trial ends with the last of the attacks that it was asked with; one whose record has no such time is left out.
    """
    listed = list(trials)
    sessions, ends = _sessions(spans(listed)), _ends(listed)
    starts, before = [start for start, _ in sessions], [0.0]
    for start, end in sessions:
        before.append(before[-1] + (end - start).total_seconds())
    found = {}
    for number, moment in ends.items():
        index = bisect_right(starts, moment) - 1
        start, end = sessions[index]
        found[number] = (before[index] + (min(moment, end) - start).total_seconds()) / 3600
    return found


def covered(times: Iterable[Interval]) -> float:
    """Return the seconds in which at least one stage ran: pauses between sessions do not count."""
    return sum((end - start).total_seconds() for start, end in _sessions(times))


def _sessions(times: Iterable[Interval]) -> list[Interval]:
    """Return the times in which at least one stage ran, in order, none touching another."""
    merged: list[Interval] = []
    for start, end in sorted(times):
        if merged and start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, end))
        else:
            merged.append(Interval(start, end))
    return merged


def _ends(trials: Iterable[JudgedTrial]) -> dict[int, datetime]:
    found = {}
    for trial in trials:
        if trial.record:
            own = [attack for attack in trial.attacks if attack.job.name in trial.record.verdicts]
            times = [_span(trial.record.circumstances, train_seconds(trial))]
            times += [_span(attack.circumstances, attack.circumstances.seconds) for attack in own]
            if known := [time.end for time in times if time is not None]:
                found[trial.number] = max(known)
    return found


def moment(text: str) -> datetime | None:
    """Return a time that was recorded; null if it is none, since what was measured stands all the same."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _span(cost: Circumstances, seconds: float) -> Interval | None:
    """Return when a stage ran; null if its record has no such time."""
    start = moment(cost.started)
    try:
        return Interval(start, start + timedelta(seconds=seconds)) if start is not None and seconds >= 0 else None
    except (ValueError, OverflowError):
        return None
