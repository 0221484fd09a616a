"""What MLflow is told of a trial and of its attacks: pure functions of the record."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from mlflow.entities import Metric, Param, RunTag

from harness.judging import JudgedTrial, Judgement
from harness.records import (
    DIRECTIONS,
    AttackRecord,
    Circumstances,
    CurvePoint,
    Guess,
    Record,
    Scalar,
    Scores,
    failure_line,
)
from harness.tracking.names import LONGEST_PARAM, LONGEST_TAG, adapted, plain_text

NAME = "invfront.name/"
"""Begins the tag that tells a record's own name, where MLflow refuses that."""


class Payload(NamedTuple):
    """What one run holds."""

    params: list[Param]
    metrics: list[Metric]
    tags: list[RunTag]
    """Among them, for each name that MLflow refuses, the one that the record has."""
    status: str
    """``FINISHED`` or ``FAILED``."""
    start: int
    """When it started, ms since 1970."""
    end: int
    """When it ended, ms since 1970."""


def trial_payload(trial: JudgedTrial, record: Record) -> Payload:
    """Return a finished trial's run: settings as parameters, what was measured as metrics.

    The objectives' step is the number of attacks that they are the worst case over, so that attacks that are run later,
    or count later, add a point. A partial trial has no objectives and is FAILED, as it is in the search.
    """
    time, measured, objectives = start_ms(record.circumstances), record.measured, trial.objectives
    worst = {name: getattr(objectives, name) for name in DIRECTIONS} if objectives else {"accuracy": measured.accuracy}
    numbers = {**_cost(record.circumstances), **_floors(measured.floors), **measured.diagnostics}
    deciding = {"mse_attack": objectives.mse_attack, "ssim_attack": objectives.ssim_attack} if objectives else {}
    return _payload(
        params(record.asked.settings),
        [*metrics(worst, time, step=len(trial.counting)), *metrics(numbers, time), *_curve(measured.curve, time)],
        tags(
            {
                "state": record.state,
                "feasible": measured.feasible,
                **deciding,
                "error": failure_line(record.error),
            }
        ),
        "FINISHED" if record.state in ("complete", "pruned") else "FAILED",
        record.circumstances,
    )


def attack_payload(attack: AttackRecord, judged: Judgement) -> Payload:
    """Return an attack's run: its settings as parameters, its scores and learning curve as metrics.

    Args:
        attack: The attack.
        judged: Its verdict beside the others on the trial.
    """
    time, measured = start_ms(attack.circumstances), attack.measured
    numbers = {
        **_scores(measured.scores),
        **_scores(measured.selection, "selection/"),
        **{f"conversion/{label}": value for label, value in measured.conversions.items()},
        **{path: value for name, found in measured.variants.items() for path, value in _variant(name, found).items()},
        **{f"further/{name}": value for name, value in measured.extras.items()},
        **{f"detail/{name}": value for name, value in measured.details.items()},
        **_evidence(judged),
        **{f"probe/{name}": value for name, value in (measured.probe or {}).items()},
        **_cost(attack.circumstances),
        "images": float(measured.images),
    }
    return _payload(
        params({**{f"job/{name}": value for name, value in attack.job.model_dump().items()}, **measured.settings}),
        [*metrics(numbers, time), *_curve(measured.curve, time)],
        tags(
            {
                "verdict": judged.verdict,
                "verdict_why": judged.why,
                "flags": ", ".join(judged.flags) or None,
                "error": failure_line(attack.error),
            }
        ),
        "FAILED" if measured.verdict == "failed" else "FINISHED",
        attack.circumstances,
    )


def _evidence(judged: Judgement) -> dict[str, float]:
    """Return the shares behind a verdict as ``evidence/gain_steps``, with the ends of their intervals."""
    shares = {"gain_steps": judged.steps, "remainder": judged.remainder}
    shares |= {f"gain_{half}": share for half, share in judged.halves.items()}
    return {
        f"evidence/{name}{end}": value
        for name, share in shares.items()
        if share
        for end, value in (("", share.value), ("_low", share.low), ("_high", share.high))
    }


def _payload(
    params: Sequence[Param], metrics: Sequence[Metric], tags: Sequence[RunTag], status: str, cost: Circumstances
) -> Payload:
    """Return what a run holds, under names that MLflow takes."""
    plain = adapted({param.key for param in params} | {metric.key for metric in metrics})
    named = {key: plain.get(key, key) for key in [*(each.key for each in params), *(each.key for each in metrics)]}
    return Payload(
        [Param(named[each.key], each.value) for each in params],
        [Metric(named[each.key], each.value, each.timestamp, each.step) for each in metrics],
        [*tags, *(RunTag(f"{NAME}{name}", plain_text(own, LONGEST_TAG)) for own, name in plain.items())],
        status,
        start_ms(cost),
        end_ms(cost),
    )


def _variant(name: str, found: Scores) -> dict[str, float]:
    """Return a variant's scores; MLflow's names have no equals sign."""
    return _scores(found, f"variant/{name.replace('=', '_')}/")


def params(settings: Mapping[str, Scalar]) -> list[Param]:
    """Return settings as parameters, by path; a setting that is null is left out."""
    return [Param(path, plain_text(str(value), LONGEST_PARAM)) for path, value in settings.items() if value is not None]


def metrics(numbers: Mapping[str, float | None], time: int, step: int = 0) -> list[Metric]:
    """Return numbers as metrics at a time, ms since 1970; what was not measured is left out."""
    return [Metric(name, float(value), time, step) for name, value in numbers.items() if value is not None]


def tags(values: Mapping[str, Scalar]) -> list[RunTag]:
    """Return values as tags of ours; null is left out."""
    return [
        RunTag(f"invfront.{name}", plain_text(str(value), LONGEST_TAG))
        for name, value in values.items()
        if value is not None
    ]


LATEST_MS = 2**53
"""The latest time that is told: what a record says beyond it is no time."""


def start_ms(cost: Circumstances) -> int:
    """Return when a stage started, ms since 1970; 0 if its record has no such time."""
    try:
        return max(0, round(datetime.fromisoformat(cost.started).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0


def end_ms(cost: Circumstances) -> int:
    """Return when a stage ended, ms since 1970."""
    return min(start_ms(cost) + round(max(cost.seconds, 0.0) * 1000), LATEST_MS)


def _curve(points: Iterable[CurvePoint], time: int) -> list[Metric]:
    return [Metric(f"curve/{point.name}", point.value, time, point.step) for point in points if point.value is not None]


def _scores(scores: Scores | None, prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in scores.model_dump().items()} if scores else {}


def _floors(floors: Mapping[str, Guess]) -> dict[str, float]:
    return {
        name: value
        for guess, found in floors.items()
        for name, value in _scores(found.scores, f"floor/{guess}/").items()
    }


def _cost(cost: Circumstances) -> dict[str, float]:
    return {"seconds": cost.seconds, "peak_memory_bytes": float(cost.peak_memory_bytes)}
