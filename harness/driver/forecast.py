"""What a study will take: trials of known costs, as many at a time as fit; pure functions of values.

A training is charged by the step and by the epoch, so that short ones tell of long ones; an attack what it took. The
interval is that of a mean of trials as unlike each other as those that were seen (normal, 95 %), with a share for what
no measurement tells: other machines' load, clocks, disks.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.cluster import side_by_side
from harness.driver.costs import Costs, kind_of, mean, steps_of
from harness.records import Value
from harness.records.took import NOTHING, Took
from harness.study import Resources, Study
from harness.study.jobs import attack_jobs, level_jobs
from harness.study.sections import MOST

HOUR = 3600.0
NORMAL = 1.96

START_SECONDS, START_ON_GPU_SECONDS = 0.5, 10.0
"""Until a job has begun: of a worker that is there, and of a process of its own."""


ALONE = 0.75
"""Least share of its time for which a job on a CPU has it, if nobody else wants it."""


class Interval(Value):
    """A forecast, with an interval."""

    low: float
    mid: float
    high: float


class Machine(NamedTuple):
    """Where a study is to run."""

    slots: int
    """Trials that it holds at once; 0 for none."""
    nodes: int
    rate: float | None
    """Money an hour for each node; null where nobody said."""
    unplaceable: tuple[str, ...] = ()
    """What it cannot hold."""
    remarks: tuple[str, ...] = ()
    """What is not known of it."""


class Forecast(Value):
    """What ``invfront plan --json`` prints."""

    seconds: Interval
    cpu_hours: Interval
    """Of processors, in use."""
    gpu_hours: Interval
    """Of GPUs, reserved."""
    memory_bytes: Interval
    """Of all trials that run at a time."""
    disk_bytes: Interval
    cost: Interval | None
    """In the money of the rate; null without one."""
    limits: tuple[str, ...]
    unplaceable: tuple[str, ...]


class _Trial(NamedTuple):
    """A mean trial."""

    seconds: float
    """From its first job to its last."""
    cpu_seconds: float
    train_seconds: float


def forecast(study: Study, costs: Costs, machine: Machine, images: int) -> Forecast:
    """Return what a study takes.

    Args:
        study: The study.
        costs: What trials take.
        machine: Where it is to run.
        images: Of the training part.

    Raises:
        ValueError: nothing is known of an attack of the study.
    """
    resources, trials = study.resources, study.search.trials
    one = _trial(study, costs, images)
    slots = max(1, min(resources.concurrent, machine.slots or resources.concurrent, trials))
    rounds = trials / slots + (1 - 1 / slots) / 2  # the last ones leave slots empty
    share = costs.doubt + NORMAL * costs.spread * math.sqrt(1 / costs.seen + 1 / trials)
    seconds = rounds * one.seconds + costs.once.seconds
    time = _around(seconds, share)
    if _hindered(costs, one):
        time = time.model_copy(update={"low": time.low * one.cpu_seconds / one.seconds})
    gpu = _gpus(resources) * one.seconds * trials
    return Forecast(
        seconds=time,
        cpu_hours=_around((one.cpu_seconds * trials + costs.once.cpu_seconds) / HOUR, share),
        gpu_hours=_around(gpu / HOUR, share),
        memory_bytes=_around(_memory(study, costs) * slots, costs.doubt),
        disk_bytes=_around(costs.disk_bytes * trials, share),
        cost=None if machine.rate is None else _around(machine.rate * machine.nodes * seconds / HOUR, share),
        limits=tuple(_limits(study, costs, machine, one, slots)),
        unplaceable=machine.unplaceable,
    )


def _trial(study: Study, costs: Costs, images: int) -> _Trial:
    resources = study.resources
    train, jobs = _training(study, costs, images), attack_jobs(study)
    attacks = [_attack(kind_of(job), job.attack, job.budget, costs) for job in jobs]
    beside = sum(attack.seconds for attack in attacks)
    longest = max((attack.seconds for attack in attacks), default=0.0)
    start = START_ON_GPU_SECONDS if resources.train.gpu else START_SECONDS
    side = side_by_side(resources)
    seconds = train.seconds + max(longest, beside / side) + start * (1 + math.ceil(len(jobs) / side))
    cpu = train.cpu_seconds + sum(attack.cpu_seconds for attack in attacks)
    return _Trial(seconds + costs.gap_seconds, cpu, train.seconds)


def _training(study: Study, costs: Costs, images: int) -> Took:
    """Return what a training takes, the mean over branches; one that nobody has seen takes what the dearest does."""
    shared = study.space().shared
    steps, epochs = steps_of(shared, images), mean(shared["train/epochs"])
    dearest = max(costs.steps.values(), key=lambda took: took.seconds)
    total = NOTHING
    for branch in study.defense:
        ends = costs.epochs.get(branch, NOTHING)
        total = total.with_(costs.fixed).with_(costs.steps.get(branch, dearest), steps).with_(ends, epochs)
    return NOTHING.with_(total, 1 / len(study.defense))


def _attack(kind: str, name: str, budget: str, costs: Costs) -> Took:
    if kind not in costs.attacks:
        raise ValueError(f"attacks/{name}: nothing is known of what {budget} takes")
    return costs.attacks[kind]


def _memory(study: Study, costs: Costs) -> int:
    """Return the bytes that a trial takes at most: those of its training, or of the attacks that run at a time."""
    together = min(side_by_side(study.resources), len(attack_jobs(study)))
    return max(costs.memory_bytes, together * costs.attack_memory_bytes)


def _gpus(resources: Resources) -> float:
    """Return the GPUs that a trial reserves."""
    return resources.bundle().get("GPU", 0.0)


def _hindered(costs: Costs, one: _Trial) -> bool:
    """Say whether jobs on a CPU, which do nothing but compute, waited for it: others had it meanwhile."""
    return costs.calibrated and costs.device == "cpu" and one.cpu_seconds < ALONE * one.seconds


def _limits(study: Study, costs: Costs, machine: Machine, one: _Trial, slots: int) -> Iterable[str]:
    """Yield what limits a study, and what is not known of it."""
    seconds = one.seconds
    if _hindered(costs, one):
        times = one.seconds / one.cpu_seconds
        yield f"this machine: busy with other work when it was measured, which then took {times:.1f} times as long"
    if machine.slots > study.resources.concurrent:
        yield f"resources/concurrent: {study.resources.concurrent}; {machine.slots} trials would fit"
    elif machine.slots and machine.slots < study.resources.concurrent < MOST:
        yield f"the machine: {machine.slots} trials fit, {study.resources.concurrent} are asked for"
    limits = study.search.limits
    if limits.hours is not None and limits.hours * HOUR < seconds * study.search.trials / slots:
        until = limits.hours * HOUR * slots / seconds
        yield f"search/limits/hours: {limits.hours:g}; some {until:.0f} trials until then"
    reserved = _gpus(study.resources) * seconds * study.search.trials / HOUR
    if limits.gpu_hours is not None and limits.gpu_hours < reserved:
        until = limits.gpu_hours / reserved * study.search.trials
        yield f"search/limits/gpu_hours: {limits.gpu_hours:g}; some {until:.0f} trials until then"
    if study.resources.timeout is not None and study.resources.timeout < seconds:
        yield f"resources/timeout: {study.resources.timeout:g} s; a trial takes some {seconds:.0f} s"
    if idling := study.resources.idling():
        trained = one.train_seconds / seconds
        yield f"{idling}; that is {1 - trained if study.resources.train.gpu else trained:.0%} of its time"
    for branch in study.defense:
        if branch not in costs.steps:
            yield f"defense {branch}: not seen; taken to be as slow as the slowest that was"
    yield from _unlike(study, costs.settings)
    if study.resources.train.gpu and costs.device == "cpu":
        yield "resources/train/gpu: what it takes was seen on a CPU; a GPU will be faster"
    if study.space().shared.get("train/target_accuracy") is not None and costs.calibrated:
        yield "train/target_accuracy: what steering the strength takes was not measured"
    if beside := level_jobs(study):
        yield f"attacker/levels: {len(beside)} attacks more on some of the trials are not in the forecast"
    yield from (*machine.remarks, *costs.remarks)


def _unlike(study: Study, seen: Mapping[str, object]) -> Iterable[str]:
    """Yield what was otherwise in the trials that were seen, and changes what a step or an image takes."""
    shared = study.space().shared
    for path in sorted(seen.keys() & shared.keys()):
        if path.startswith(("model/", "data/name", "data/size", "train/recipe")) and path != "model/sigma":
            here = shared[path]
            if isinstance(here, bool | int | float | str) and here != seen[path]:
                yield f"{path}: seen with {seen[path]}, asked with {here}; its trials take otherwise"


def _around(mid: float, share: float) -> Interval:
    return Interval(low=mid / (1 + share), mid=mid, high=mid * (1 + share))
