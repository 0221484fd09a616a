"""How each attack on a trial ended, once its own verdict is held against the guesses and the other attacks there.

References:
    Tramèr, Carlini, Brendel, Madry, On adaptive attacks to adversarial example defenses, 2020.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.judging.selection import Selected, on_common, selected
from harness.judging.worst import BLIND
from harness.records import ASKED_THE_SERVER, AttackRecord, Guess, Knowledge, Verdict

NO_BETTER = 0.98
"""Error over that of the best guess without z, from which an attack counts as no better; as in `attacks.verdict`."""

OUTDONE = 1.02
"""Error over that of an attack which knows no more, from which an attack has not used what it knows."""

ORDER: tuple[Knowledge, ...] = ("none", "queries", "gradients")
"""Knowledge, from the least: each includes what stands before it."""


class Judgement(NamedTuple):
    """An attack's verdict beside the others."""

    verdict: Verdict
    why: str | None
    """What lowered its own verdict; null if nothing does."""


class _Rival(NamedTuple):
    name: str
    own: float
    """Mean squared error of the attack that is judged."""
    other: float
    """That of the rival, on the same images."""


def verdicts(floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> dict[str, Judgement]:
    """Return every job's verdict by its name.

    A converged attack that does no better than a guess without z is ``floor``; one that another outdoes which knows no
    more is ``limited``. Two are compared on the most first images of attacker-validation that both have. Probes, and
    attacks on a part that gives no objective, keep their own verdict.

    Args:
        floors: The trial's guesses; none are known of a trial that was not trained.
        attacks: Everything that ran on the trial.
    """
    listed = list(attacks)
    found = {each.name: each for each in selected(floors, listed)}
    guesses = [found[name] for name in BLIND if name in found]
    judged = {}
    for attack in listed:
        others = [found[each.job.name] for each in listed if each.job.name in found and knows_no_more(each, attack)]
        judged[attack.job.name] = _judged(attack.measured.verdict, found.get(attack.job.name), guesses, others)
    return judged


def _judged(own: Verdict, mine: Selected | None, guesses: list[Selected], others: list[Selected]) -> Judgement:
    if mine is None:
        return Judgement(own, None)
    verdict, why = own, None
    guess = _hardest(mine, guesses)
    if own == "converged" and guess and guess.own > NO_BETTER * guess.other:
        verdict, why = "floor", f"no better than the guess {guess.name}"
    rival = _hardest(mine, [other for other in others if other.name != mine.name])
    if rival and outdone(verdict, rival.own, rival.other) != verdict:
        verdict, why = "limited", f"worse than {rival.name}, which knows no more of the client"
    return Judgement(verdict, why)


def _hardest(mine: Selected, others: list[Selected]) -> _Rival | None:
    """Return whom an attack does worst beside; null if it can be compared with none."""
    pairs = [(other.name, on_common(mine, other)) for other in others]
    rivals = [_Rival(name, pair[0].mse, pair[1].mse) for name, pair in pairs if pair]
    return min(rivals, key=lambda rival: rival.other / rival.own if rival.own else float("inf"), default=None)


def knows_no_more(one: AttackRecord, other: AttackRecord) -> bool:
    """Return whether all that one attack may do, the other may do too.

    A partial order: what it may do with the client is one thing, whether it asks the server another. Of two attacks
    neither of which includes the other, such as one that holds the client's weights and one that asks client and
    server, none can be blamed for doing worse.
    """
    return ORDER.index(one.measured.knowledge) <= ORDER.index(other.measured.knowledge) and (
        _asks(other) or not _asks(one)
    )


def _asks(attack: AttackRecord) -> bool:
    """Return whether an attack asks the server; of an older record, the attack's name tells."""
    asks = attack.measured.needs_server
    return attack.job.attack in ASKED_THE_SERVER["0.1"] if asks is None else asks


def outdone(own: Verdict, error: float, other: float) -> Verdict:
    """Return an attack's verdict beside another on the same network that knows no more: ``limited`` if that one is
    clearly better.

    Whoever knows as much or more can do all that the other does: worse in spite of it, an attack has either stopped
    early or met gradients that hide the way, and says nothing of what its knowledge is worth.

    Args:
        own: The verdict so far.
        error: Its mean squared error on some attacker-validation images, >= 0.
        other: That of the other attack on the same images, >= 0.
    """
    return "limited" if own in ("converged", "floor") and error > OUTDONE * other else own
