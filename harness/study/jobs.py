"""The attacks that a study runs on each of its trials."""

from collections.abc import Iterable, Iterator

import attacks
from harness.records import AttackJob
from harness.study.attacker_levels import MEMBERS, Level
from harness.study.study import Study

SCORED = {"strict": ("validation",), "cem": ("train", "infer")}
"""The parts that attacks are scored on, by protocol; the first gives the objectives."""


def attack_jobs(study: Study) -> tuple[AttackJob, ...]:
    """Return the attacks on each trial: every part, attack and seed; probes on the last part alone.

    The last part's attacker was fitted on images that the network was not.
    """
    *_, last = parts = SCORED[study.protocol]
    kinds = {attack: attacks.resolve(attack).kind for attack in study.attacks}
    return tuple(
        AttackJob(attack=attack, budget=effort.budget, seed=seed, part=part, kind=kinds[attack], tune=effort.tune)
        for part in parts
        for attack, effort in study.attacks.items()
        for seed in range(effort.seeds)
        if part == last or kinds[attack] == "reconstruction"
    )


def level_jobs(study: Study) -> tuple[AttackJob, ...]:
    """Return a study's reconstructions at the levels beside its own attacker's: no objective is over them."""
    return tuple(at_levels(attack_jobs(study), study.attacker.lower))


def at_levels(jobs: Iterable[AttackJob], levels: Iterable[Level]) -> Iterator[AttackJob]:
    """Yield reconstructions of an attacker that holds something else than the study's own, level by level.

    Args:
        jobs: Of the study's own attacker; probes are passed over, which ask what else leaks.
        levels: Numbers of images, or ``members``.
    """
    whole = [job for job in jobs if job.kind == "reconstruction"]
    for level in levels:
        held = {"attacker": MEMBERS} if level == MEMBERS else {"attacker_images": level}
        yield from (job.model_copy(update=held) for job in whole)
