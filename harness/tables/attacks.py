"""The ledger's attacks as tidy tables: reconstructions, what else they made of the releases, and probes apart."""

from collections.abc import Iterable, Iterator, Mapping

import pandas

from harness.judging import JudgedTrial, Judgement
from harness.judging.images import PerImage
from harness.judging.levels import attacker_of
from harness.records import AttackRecord, Gains, Scalar, failure_line
from harness.tables.frames import table

JOB = {"trial": int, "attack": str, "budget": str, "seed": int, "part": str, "verdict": str}
SCORE_COLUMNS = {"mse": float, "psnr": float, "ssim": float}
SHARES = ("gain_steps", "gain_images", "gain_width", "remainder")
"""Shares of an attack's error, each with the ends of its interval."""

ATTACK = {
    **JOB,
    **SCORE_COLUMNS,
    "images": int,
    "seconds": float,
    "job": str,
    "error": str,
    "mse_se": float,
    "ssim_se": float,
    "why": str,
    "knowledge": str,
    "version": int,
    "tune": int,
    "releases": int,
    **dict.fromkeys([f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")], float),
    "worse_than_truth": float,
    "flags": str,
    "attacker": str,
    "attacker_images": int,
    "level": str,
}
LEVEL = {
    "trial": int,
    "attacker": str,
    "attacker_images": int,
    "level": str,
    "mse": float,
    "ssim": float,
    "mse_attack": str,
    "ssim_attack": str,
    "mse_se": float,
    "ssim_se": float,
    "over": str,
}
PROBE = {**JOB, "name": str, "value": float, "images": int, "seconds": float, "job": str, "error": str}
VARIANT = {"trial": int, "job": str, "variant": str, **SCORE_COLUMNS}


def reconstructions(trials: Iterable[JudgedTrial], images: Mapping[int, PerImage]) -> pandas.DataFrame:
    """Return one row per reconstruction job of a finished trial: ``ATTACK``, then a column for every further metric.

    Args:
        trials: The trials.
        images: What the scores of single images say, by trial.
    """
    found = [each for each in finished(trials) if each[1].job.kind == "reconstruction"]
    further = dict.fromkeys(name for _, attack, _ in found for name in attack.measured.extras)
    columns = {**ATTACK, **{name: float for name in further if name not in ATTACK}}
    return table((_reconstruction(*each, images) for each in found), columns)


def levels(images: Mapping[int, PerImage]) -> pandas.DataFrame:
    """Return one row per trial and what its attacker holds: the worst case over the attacks that all levels have."""
    rows = (
        {
            "trial": number,
            "attacker": found.attacker,
            "attacker_images": found.attacker_images,
            "level": found.level,
            **found.objectives.model_dump(),
            **found.errors,
            "over": ", ".join(found.over),
        }
        for number, of_trial in images.items()
        for found in of_trial.levels
    )
    return table(rows, LEVEL)


def probes(trials: Iterable[JudgedTrial]) -> pandas.DataFrame:
    """Return one row per score of a probe of a finished trial; one without name and value for a probe that failed."""
    rows = (
        _job(attack, judged) | score
        for _, attack, judged in finished(trials)
        if attack.job.kind == "probe"
        for score in _scores(attack.measured.probe)
    )
    return table(rows, PROBE)


def variants(trials: Iterable[JudgedTrial]) -> pandas.DataFrame:
    """Return one row per further reconstruction that a job made of the same images: ``for_ssim``, ``m=4``."""
    rows = (
        {"trial": attack.trial, "job": attack.job.name, "variant": name, **scores.model_dump()}
        for _, attack, _ in finished(trials)
        for name, scores in attack.measured.variants.items()
    )
    return table(rows, VARIANT)


def finished(trials: Iterable[JudgedTrial]) -> Iterator[tuple[JudgedTrial, AttackRecord, Judgement]]:
    """Yield every attack and probe of the finished trials, with its verdict beside the others on its trial.

    One that had half of something is no row of its own: it is what the whole one's gain is told by.
    """
    for trial in trials:
        if trial.record:
            whole = (attack for attack in trial.attacks if attack.job.half is None)
            yield from ((trial, attack, trial.verdicts[attack.job.name]) for attack in whole)


def _job(attack: AttackRecord, judged: Judgement) -> dict[str, Scalar]:
    return {
        "trial": attack.trial,
        **attack.job.model_dump(),
        "job": attack.job.name,
        "verdict": judged.verdict,
        "images": attack.measured.images,
        "seconds": attack.circumstances.seconds,
        "error": failure_line(attack.error),
    }


def _scores(probe: dict[str, float | None] | None) -> list[dict[str, Scalar]]:
    return [{"name": name, "value": value} for name, value in (probe or {}).items()] or [{}]


def _reconstruction(
    trial: JudgedTrial, attack: AttackRecord, judged: Judgement, images: Mapping[int, PerImage]
) -> dict[str, Scalar]:
    measured = attack.measured
    return {
        **measured.extras,
        **_job(attack, judged),
        **(measured.scores.model_dump() if measured.scores else {}),
        "why": judged.why,
        "knowledge": measured.knowledge,
        "version": measured.version,
        "releases": measured.releases,
        **_evidence(measured.gains, judged),
        "attacker": attacker_of(trial, attack),
        "attacker_images": measured.attacker_images,
        "level": attack.job.level,
        **images[trial.number].errors.get(attack.job.name, {}),
    }


def _evidence(gains: Gains | None, judged: Judgement) -> dict[str, Scalar]:
    """Return what a verdict rests on: shares with their intervals, flags in one cell."""
    found = {
        "gain_steps": judged.steps,
        "gain_images": judged.halves.get("images"),
        "gain_width": judged.halves.get("width"),
        "remainder": judged.remainder,
    }
    ends = {
        f"{name}{end}": value
        for name, share in found.items()
        if share
        for end, value in (("", share.value), ("_low", share.low), ("_high", share.high))
    }
    return {
        **ends,
        "worse_than_truth": gains.worse_than_truth if gains else None,
        "flags": ", ".join(judged.flags) or None,
    }
