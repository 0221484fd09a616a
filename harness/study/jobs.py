"""The attacks that a study runs on each of its trials."""

import attacks
from harness.records import AttackJob
from harness.study.attacker_levels import at_levels
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
