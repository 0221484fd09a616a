"""What trials take, as far as those tell that have run, or a few steps of each kind."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.records import AttackJob, Scalar
from harness.records.took import NOTHING, Took
from harness.study import Choices, Range, Setting

SEEN_DOUBT, MEASURED_DOUBT = 0.1, 0.3
"""Shares of a forecast that no record, and no short measurement, tells of."""

COMMON_SPREAD = 0.2
"""Standard deviation of a trial's seconds over their mean, where only one was seen."""


class Observed(NamedTuple):
    """What one finished trial took."""

    branch: str
    steps: float
    """Optimiser steps of its training."""
    train: Took
    attacks: Sequence[tuple[str, Took]]
    """Each attack's, by its kind."""
    gap_seconds: float
    """Between its jobs."""
    memory_bytes: int
    """Peak of the job that takes most."""
    attack_memory_bytes: int
    """Peak of the attack that takes most."""
    disk_bytes: int


class Costs(NamedTuple):
    """What trials take."""

    fixed: Took
    """Of a training, whatever its length."""
    steps: Mapping[str, Took]
    """A training's step, by branch."""
    epochs: Mapping[str, Took]
    """The end of an epoch, by branch; of finished trials it is in their steps."""
    attacks: Mapping[str, Took]
    """By kind: ``kind_of``."""
    once: Took
    """Before the first trial."""
    gap_seconds: float
    """Of a trial, between its jobs."""
    spread: float
    """Standard deviation of a trial's seconds over their mean."""
    seen: int
    """Trials that this rests on."""
    memory_bytes: int
    """Peak of the job that takes most."""
    attack_memory_bytes: int
    """Peak of the attack that takes most."""
    disk_bytes: int
    settings: Mapping[str, Scalar] = {}
    """Of a trial that was seen; empty where the study's own were measured."""
    device: str = "unknown"
    doubt: float = SEEN_DOUBT
    """Share of a forecast that nothing tells of."""
    calibrated: bool = False
    """Whether a few steps were measured, and no whole trial."""
    remarks: tuple[str, ...] = ()


def kind_of(job: AttackJob) -> str:
    """Return what attacks have in common that cost alike."""
    return f"{job.attack}:{job.budget}" + (f", tuned over {job.tune}" if job.tune else "")


def steps_of(settings: Mapping[str, Scalar | Setting], images: int) -> float:
    """Return the optimiser steps of a training, of a distribution the mean.

    Args:
        settings: Of a trial or a study, by path.
        images: Of the training part.
    """
    epochs, batch = mean(settings["train/epochs"]), mean(settings["train/batch_size"])
    given = settings.get("train/images")
    count = images if given is None else min(images, mean(given))
    return epochs * max(1.0, math.floor(count / batch))


def mean(entry: Scalar | Setting) -> float:
    """Return the mean of what a number may be."""
    if isinstance(entry, Choices):
        values = [float(value) for value in entry.values if isinstance(value, int | float)]
        return sum(values) / len(values)
    if isinstance(entry, Range):
        low, high = float(entry.low), float(entry.high)
        return (high - low) / math.log(high / low) if entry.log and high > low else (low + high) / 2
    return float(entry)  # type: ignore[arg-type]  # a number: the study was checked


def costs_of(seen: Sequence[Observed], settings: Mapping[str, Scalar] = {}, device: str = "unknown") -> Costs:
    """Return what trials take, from those that finished; raises ValueError if there are none.

    Args:
        seen: What they took.
        settings: Of one of them.
        device: That they ran on.
    """
    if not seen:
        raise ValueError("no trial to learn from")
    by_branch: dict[str, list[Took]] = {}
    by_attack: dict[str, list[Took]] = {}
    for trial in seen:
        by_branch.setdefault(trial.branch, []).append(NOTHING.with_(trial.train, 1 / trial.steps))
        for kind, took in trial.attacks:
            by_attack.setdefault(kind, []).append(took)
    return Costs(
        fixed=NOTHING,
        steps={branch: _mean(each) for branch, each in by_branch.items()},
        epochs={},
        attacks={kind: _mean(each) for kind, each in by_attack.items()},
        once=NOTHING,
        gap_seconds=sum(trial.gap_seconds for trial in seen) / len(seen),
        spread=_spread([trial.train.seconds + sum(took.seconds for _, took in trial.attacks) for trial in seen]),
        seen=len(seen),
        memory_bytes=max(trial.memory_bytes for trial in seen),
        attack_memory_bytes=max(trial.attack_memory_bytes for trial in seen),
        disk_bytes=round(sum(trial.disk_bytes for trial in seen) / len(seen)),
        settings=settings,
        device=device,
    )


def _mean(values: Sequence[Took]) -> Took:
    total = NOTHING
    for value in values:
        total = total.with_(value)
    return NOTHING.with_(total, 1 / len(values))


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation over the mean."""
    if len(values) < 2:
        return COMMON_SPREAD
    middle = sum(values) / len(values)
    variance = sum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance) / middle if middle else 0.0
