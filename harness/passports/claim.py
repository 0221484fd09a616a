"""What a passport claims: accuracy, and how little the worst of its attacks recovered, with intervals.

A claim stands while no attack that may do no more than those behind it does better than its interval.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy
from pydantic import FiniteFloat

from harness.judging import knows_no_more
from harness.passports.evidence import Evidence
from harness.records import DIRECTIONS, AttackRecord, Knowledge, Objectives, Scalar, Value
from reports.statistics.intervals import RANGES, interval

FORMAT: Literal[1] = 1
"""Of the passports that are written and read here."""

NORMAL = 1.96
"""Standard errors on either side of a mean that hold 95 %."""

SPREAD = {"ssim": 0.25}
"""Standard deviation over images where a record has no standard error; of mse, its mean (`harness.judging.worst`)."""


class Attacked(Value):
    """One attack behind a claim."""

    job: str
    attack: str
    budget: str
    version: int
    knowledge: Knowledge
    needs_server: bool | None


class Deciding(Value):
    """The attack, or the guess without z, that is worst by each score, in most trainings."""

    mse: str
    ssim: str


class Digests(Value):
    """SHA-256 of what a claim rests on."""

    images: dict[str, str]
    """By part."""
    metrics: str
    """Of the metric protocol."""
    files: dict[str, str]
    """By the path in the passport: every file but the claim itself."""


class Claim(Value):
    """``claim.json``."""

    format: Literal[1] = FORMAT
    study: str
    trial: int
    settings: dict[str, Scalar]
    """Every setting by its path."""
    accuracy: FiniteFloat
    """In [0, 1]; mean over the trainings, as the scores are."""
    accuracy_low: FiniteFloat
    """Low end of the interval of 95 %."""
    accuracy_high: FiniteFloat
    mse: FiniteFloat
    """Of the worst attack."""
    mse_low: FiniteFloat
    """What an attack has to undercut to fell the claim."""
    mse_high: FiniteFloat
    ssim: FiniteFloat
    ssim_low: FiniteFloat
    ssim_high: FiniteFloat
    """What an attack has to exceed to fell it."""
    interval: Literal["seeds", "images"]
    """Over what the intervals are: the seeds of the trainings or, of a single one, the images that are scored."""
    attack: Deciding
    suite: tuple[Attacked, ...]
    seeds: tuple[int, ...]
    """Of the trainings that confirm the trial, counted from 0; empty for the trial that was searched, a single one."""
    part: str
    """The images that are scored: ``test`` of a confirmed trial, else what guided the search."""
    digests: Digests
    packages: dict[str, str]
    """Versions by name, under which the first training ran."""


def claim_of(evidence: Sequence[Evidence], files: Mapping[str, str]) -> Claim:
    """Return what trainings of the same settings come to together.

    Args:
        evidence: One or more complete trainings; of the search or of confirms.
        files: SHA-256 of the passport's files by path.

    Raises:
        ValueError: a training is not complete or was not attacked, or they are not of the same trial, settings,
            attacks, part, images or metrics.
    """
    first, told = evidence[0], [_objectives(each) for each in evidence]
    asked, measured = first.asked, first.record.measured
    for each in evidence[1:]:
        _refuse_unlike(first, each)
    if not first.attacks:
        raise ValueError(f"trial {asked.number} was attacked by nothing whose scores count")
    ends = {end: value for name in DIRECTIONS for end, value in _interval(evidence, told, name).items()}
    return Claim(
        study=asked.study,
        trial=asked.number,
        settings=asked.settings,
        accuracy=ends["accuracy"],
        accuracy_low=ends["accuracy_low"],
        accuracy_high=ends["accuracy_high"],
        mse=ends["mse"],
        mse_low=ends["mse_low"],
        mse_high=ends["mse_high"],
        ssim=ends["ssim"],
        ssim_low=ends["ssim_low"],
        ssim_high=ends["ssim_high"],
        interval="seeds" if len(evidence) > 1 else "images",
        attack=Deciding(mse=_most(told, lambda one: one.mse_attack), ssim=_most(told, lambda one: one.ssim_attack)),
        suite=tuple(map(_attacked, first.attacks)),
        seeds=tuple(each.asked.confirm for each in evidence if each.asked.confirm is not None),
        part=measured.part,
        digests=Digests(images=measured.digests, metrics=_metrics(first), files=dict(files)),
        packages=first.record.circumstances.packages,
    )


def knows_too_much(evidence: Sequence[Evidence], attack: AttackRecord) -> bool:
    """Say whether an attack may do what none of those behind a claim may: it is then told beside the claim."""
    return not any(knows_no_more(attack, own) for each in evidence for own in each.attacks)


def _objectives(one: Evidence) -> Objectives:
    found = one.objectives()
    if found is None:
        raise ValueError(f"trial {one.asked.number} is {one.record.state}, it has no scores to claim")
    return found


def _refuse_unlike(first: Evidence, other: Evidence) -> None:
    for what, of in (
        ("number", lambda one: one.asked.number),
        ("settings", lambda one: one.asked.settings),
        ("attacks", lambda one: sorted(each.job.name for each in one.attacks)),
        ("part", lambda one: one.record.measured.part),
        ("images", lambda one: one.record.measured.digests),
        ("metrics", _metrics),
    ):
        if of(first) != of(other):
            raise ValueError(f"the {what} of its trainings are not the same: {of(first)} and {of(other)}")
    if None in (first.asked.confirm, other.asked.confirm):
        raise ValueError("its trainings are of the search and of a confirm")


def _interval(evidence: Sequence[Evidence], told: Sequence[Objectives], name: str) -> dict[str, float]:
    """Return an objective's mean and the ends of its interval, ``mse, mse_low, mse_high``."""
    found = interval(numpy.array([getattr(one, name) for one in told]), within=RANGES[name])
    low, high = found.low, found.high
    if len(told) == 1:
        reach, within = NORMAL * _image_error(evidence[0], told[0], name), RANGES[name]
        low, high = max(found.value - reach, within[0]), min(found.value + reach, within[1])
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}


def _image_error(one: Evidence, told: Objectives, name: str) -> float:
    """Return the standard error of an objective over the images that are scored."""
    measured, value = one.record.measured, float(getattr(told, name))
    deciding = {each.job.name: each.measured for each in one.attacks}.get(getattr(told, f"{name}_attack", ""))
    if deciding is not None and name in deciding.errors:
        return deciding.errors[name]
    all_images = max((each.measured.images for each in one.attacks), default=1)
    images = deciding.images if deciding else measured.images.get(measured.part, all_images)
    spread = (value * (1 - value)) ** 0.5 if name == "accuracy" else SPREAD.get(name, value)
    return float(spread / max(images, 1) ** 0.5)


def _most(told: Sequence[Objectives], of: Callable[[Objectives], str]) -> str:
    """Return the name that comes most often; of equals the first."""
    return Counter(map(of, told)).most_common(1)[0][0]


def _metrics(one: Evidence) -> str:
    found = list(dict.fromkeys(each.measured.metrics for each in one.attacks))
    if len(found) > 1:
        raise ValueError(f"its attacks were scored by different metrics: {', '.join(found)}")
    return found[0] if found else ""


def _attacked(attack: AttackRecord) -> Attacked:
    measured = attack.measured
    return Attacked(
        job=attack.job.name,
        attack=attack.job.attack,
        budget=attack.job.budget,
        version=measured.version,
        knowledge=measured.knowledge,
        needs_server=measured.needs_server,
    )
