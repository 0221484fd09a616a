"""What a trial leaks to attackers who hold other images than the study's own: by level, over the same attacks."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas

from harness.judging.errors import errors_of
from harness.judging.trials import JudgedTrial
from harness.judging.worst import OBJECTIVE_PARTS, candidates, worst_case
from harness.records import AttackJob, AttackRecord, Objectives


class AtLevel(NamedTuple):
    """The worst case over a trial's attacks where the attacker holds something."""

    attacker: str
    """``same``, ``few``, ``shifted``, ``noise`` or ``members``."""
    attacker_images: int | None
    """How many images it holds; null if no record tells."""
    level: str | None
    """``n1000``, ``members``; null of the study's own attacker."""
    objectives: Objectives
    """Over ``over`` alone: neither guesses, nor attacks that some level lacks, so that levels can be compared."""
    over: tuple[str, ...]
    """The attacks, by the names of their jobs at the study's own level."""
    errors: Mapping[str, float]
    """``mse_se`` and ``ssim_se`` of the objectives."""


def at_levels(trial: JudgedTrial, scores: Mapping[str, pandas.DataFrame]) -> list[AtLevel]:
    """Return a trial's levels, the fewest images first, ``members`` last; empty if it has the study's own alone.

    Args:
        trial: Finished.
        scores: Of every scored image, by attack job (`harness.ledger.arrays`).
    """
    levels: dict[str | None, dict[AttackJob, AttackRecord]] = {}
    for attack in trial.attacks:
        if attack.job.half is None and attack.job.part in OBJECTIVE_PARTS and attack.measured.scores:
            levels.setdefault(attack.job.level, {})[_own(attack.job)] = attack
    if len(levels) < 2 or trial.record is None or trial.objectives is None:
        return []
    beside = [set(found) for level, found in levels.items() if level is not None]
    over = set.intersection(*beside) & levels.get(None, {}).keys()
    if not over:
        return []
    ordered = sorted(levels.values(), key=lambda found: _order(trial, next(iter(found.values()))))
    return [_at_level(trial, [attack for job, attack in found.items() if job in over], scores) for found in ordered]


def _at_level(trial: JudgedTrial, attacks: Iterable[AttackRecord], scores: Mapping[str, pandas.DataFrame]) -> AtLevel:
    assert trial.record is not None
    measured = trial.record.measured
    listed = sorted(attacks, key=lambda attack: attack.job.name)
    counting = [attack.model_copy(update={"job": _own(attack.job)}) for attack in listed]
    objectives = worst_case(measured.accuracy or 0.0, candidates({}, counting, measured.images))
    named = {_own(attack.job).name: scores[attack.job.name] for attack in listed if attack.job.name in scores}
    return AtLevel(
        attacker=attacker_of(trial, listed[0]),
        attacker_images=images_of(trial, listed[0]),
        level=listed[0].job.level,
        objectives=objectives,
        over=tuple(attack.job.name for attack in counting),
        errors=errors_of(objectives, named),
    )


def attacker_of(trial: JudgedTrial, attack: AttackRecord) -> str:
    """Return what an attack's attacker holds, in a word of ``attacker/data``."""
    return str(attack.job.held_by(trial.asked.settings).get("attacker/data", "same"))


def images_of(trial: JudgedTrial, attack: AttackRecord) -> int | None:
    """Return how many images an attack was fitted on; where its record is of before that was recorded, what it was
    asked with, or the size of the attacker's part.
    """
    if attack.measured.attacker_images is not None:
        return attack.measured.attacker_images
    settings = attack.job.held_by(trial.asked.settings)
    asked = settings.get("attacker/images")
    if asked is not None:
        return int(asked)
    whole = trial.record.measured.images.get("attacker") if trial.record else None
    return whole if settings.get("attacker/data", "same") == "same" else None


def _own(job: AttackJob) -> AttackJob:
    """Return a job as the study's own attacker has it."""
    return job.model_copy(update={"attacker": None, "attacker_images": None})


def _order(trial: JudgedTrial, attack: AttackRecord) -> tuple[bool, int]:
    return attack.job.attacker is not None, images_of(trial, attack) or 0
