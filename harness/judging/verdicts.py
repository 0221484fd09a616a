"""How each attack on a trial ended, once its own verdict is held against the guesses and the other attacks there."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attacks import ATTACKS
from attacks.base import Verdict
from attacks.verdict import NO_BETTER, ORDER, outdone
from harness.judging.worst import BLIND, Candidate, candidates, left_out, shared
from harness.records.record import AttackRecord, Guess


class Judged(NamedTuple):
    """An attack's verdict beside the others."""

    verdict: Verdict
    why: str | None
    """What lowered its own verdict, or keeps it out of the worst case; null if nothing does."""


class _Rival(NamedTuple):
    name: str
    own: float
    """Mean squared error of the attack that is judged."""
    other: float
    """That of the rival, on the same images."""


def verdicts(floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> dict[str, Judged]:
    """Return every job's verdict by its name.

    A converged attack that does no better than a guess without z is ``floor``; one that another outdoes which knows no
    more is ``limited``. Two are compared on the most first images of attacker-validation that both have. Probes, and
    attacks on a part that gives no objective, keep their own verdict.

    Args:
        floors: The trial's guesses; none are known of a trial that was not trained.
        attacks: Everything that ran on the trial.
    """
    listed = list(attacks)
    found = {candidate.name: candidate for candidate in candidates(floors, listed)}
    guesses = [found[name] for name in BLIND if name in found]
    judged = {}
    for attack in listed:
        known = _knows(attack)
        others = [found[each.job.name] for each in listed if each.job.name in found and _knows(each) <= known]
        judged[attack.job.name] = _judged(attack.measured.verdict, found.get(attack.job.name), guesses, others)
    for name, other in left_out(list(found.values())).items():
        if name in judged:
            reason = f"not in the worst case: it and {other} have no number of images in common"
            judged[name] = judged[name]._replace(why=judged[name].why or reason)
    return judged


def _judged(own: Verdict, mine: Candidate | None, guesses: list[Candidate], others: list[Candidate]) -> Judged:
    if mine is None:
        return Judged(own, None)
    verdict, why = own, None
    guess = _hardest(mine, guesses)
    if own == "converged" and guess and guess.own > NO_BETTER * guess.other:
        verdict, why = "floor", f"no better than the guess {guess.name}"
    rival = _hardest(mine, [other for other in others if other.name != mine.name])
    if rival and outdone(verdict, rival.own, rival.other) != verdict:
        verdict, why = "limited", f"worse than {rival.name}, which knows no more of the client"
    return Judged(verdict, why)


def _hardest(mine: Candidate, others: list[Candidate]) -> _Rival | None:
    """Return whom an attack does worst beside; null if it can be compared with none."""
    pairs = [(other.name, shared(mine, other)) for other in others]
    rivals = [_Rival(name, pair[0].mse, pair[1].mse) for name, pair in pairs if pair]
    return min(rivals, key=lambda rival: rival.other / rival.own if rival.own else float("inf"), default=None)


def _knows(attack: AttackRecord) -> tuple[int, bool]:
    """Return what an attack knows, to be compared: first what it may do with the client, then whether it asks the
    server.
    """
    asks, kind = attack.measured.needs_server, ATTACKS.get(attack.job.attack)
    if asks is None:  # a record of before it was recorded; no plug-in is imported to tell
        asks = kind is not None and kind.needs_server
    return ORDER.index(attack.measured.knowledge), asks
