"""How each attack on a trial ended, once its own verdict is held against the other attacks on the same network."""

from collections.abc import Iterable
from typing import NamedTuple

from attacks.base import Verdict
from attacks.verdict import ORDER, outdone
from harness.record import AttackRecord
from harness.worst import candidates, compared


class Judged(NamedTuple):
    """An attack's verdict beside the others."""

    verdict: Verdict
    why: str | None
    """What lowered its own verdict; null if nothing did."""


def verdicts(attacks: Iterable[AttackRecord]) -> dict[str, Judged]:
    """Return every job's verdict by its name: a converged attack that one with less knowledge outdoes is limited."""
    listed = list(attacks)
    return {name: judged for part in _parts(listed) for name, judged in _beside_each_other(part).items()}


def _parts(attacks: list[AttackRecord]) -> list[list[AttackRecord]]:
    """Return the attacks by what they score: only those are compared."""
    names = dict.fromkeys(attack.job.part for attack in attacks)
    return [[attack for attack in attacks if attack.job.part == name] for name in names]


def _beside_each_other(attacks: list[AttackRecord]) -> dict[str, Judged]:
    errors = {name: scores.mse for name, scores in compared(candidates({}, attacks)).items()}
    return {attack.job.name: _judged(attack, attacks, errors) for attack in attacks}


def _judged(attack: AttackRecord, others: list[AttackRecord], errors: dict[str, float]) -> Judged:
    own, name = attack.measured.verdict, attack.job.name
    if name not in errors:
        return Judged(own, None)
    known = attack.measured.knowledge
    weaker = [
        other
        for other in others
        if other.job.name in errors and ORDER.index(other.measured.knowledge) < ORDER.index(known)
    ]
    found = outdone(own, errors[name], known, [(other.measured.knowledge, errors[other.job.name]) for other in weaker])
    if found == own:
        return Judged(own, None)
    better = min(weaker, key=lambda other: errors[other.job.name]).job.name
    return Judged(found, f"worse than {better}, which knows less")
