"""How each attack on a trial ended, once its own evidence is held against the guesses, the other attacks there, and the
control: the same attack on the undefended network.

A record of 0.1 has no evidence, and is judged in the words and by the thresholds of then.

References:
    Tramèr, Carlini, Brendel, Madry, On adaptive attacks to adversarial example defenses, 2020.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.judging.controls import Control, uncontrolled
from harness.judging.gained import halves_of, other_seeds, remainder_of, steps_of
from harness.judging.paired import gain, raised
from harness.judging.selection import Selected, on_common, selected
from harness.judging.worst import BLIND
from harness.records import ASKED_THE_SERVER, AttackRecord, Gains, Guess, Half, Knowledge, Range, Verdict

NO_BETTER = 0.98
"""Error over that of the best guess without z, from which an attack counts as no better; as in `attacks.verdict`."""

TIGHT = 0.05
"""Upper end of the remainder under which an attack counts as tight; as in `attacks.verdict`."""

OUTDONE = 1.02
"""Error over that of an attack which knows no more, from which an attack has not used what it knows."""

ORDER: tuple[Knowledge, ...] = ("none", "queries", "gradients")
"""Knowledge, from the least: each includes what stands before it."""

FURTHER: Mapping[Half, float] = {"images": 2.0, "width": 2.0}
"""What ever more doublings gain at most, over what the last one gained."""


class Judgement(NamedTuple):
    """An attack's verdict beside the others."""

    verdict: Verdict
    why: str | None
    """What lowered its own verdict; null if nothing does."""
    flags: tuple[str, ...] = ()
    """What went wrong, in a few words each."""
    remainder: Range | None = None
    """What a better attacker could take off its error, as far as anything shows it."""
    halves: Mapping[Half, Range] = {}
    """What the second half of the attacker's images gained, and of the network's width, where that was measured."""
    steps: Range | None = None
    """What the last doubling of the steps gained."""


class _Rival(NamedTuple):
    name: str
    own: float
    """Mean squared error of the attack that is judged."""
    other: float
    """That of the rival, on the same images."""


def verdicts(
    floors: Mapping[str, Guess], attacks: Iterable[AttackRecord], control: Control = uncontrolled
) -> dict[str, Judgement]:
    """Return every job's verdict by its name.

    An attack with evidence is ``tight`` if the upper end of its remainder is under ``TIGHT``, else ``open``: what half
    the images or half the width cost, and by how much an attack does better that knows no more, raise the remainder.
    Where the trial has the same attack with several seeds, the intervals are over images and seeds. One that does no
    better than a guess without z is ``floor`` if it beats the guess on the undefended network, and ``inert`` if it does
    not. Two are compared on the most first images of attacker-validation that both have. Probes,
    and attacks on a part that gives no objective, keep their own verdict.

    Args:
        floors: The trial's guesses; none are known of a trial that was not trained.
        attacks: Everything that ran on the trial.
        control: Whether an attack beats the guess on the study's undefended network.
    """
    listed = list(attacks)
    found = {each.name: each for each in selected(floors, listed)}
    guesses = [found[name] for name in BLIND if name in found]
    judged = {}
    for attack in listed:
        mine = found.get(attack.job.name)
        if mine is None:
            flags, steps = _flags(attack.measured.gains), steps_of(attack, listed)
            judged[attack.job.name] = Judgement(attack.measured.verdict, None, flags, steps=steps)
            continue
        rivals = _rivals(attack, listed)
        rival = _hardest(mine, [found[each.job.name] for each in rivals if each.job.name in found])
        if attack.measured.gains is None:
            judged[attack.job.name] = _of_old(attack.measured.verdict, mine, guesses, rival)
        else:
            judged[attack.job.name] = _judged(attack, listed, _hardest(mine, guesses), rival, control)
    return judged


def outdone(own: Verdict, error: float, other: float) -> Verdict:
    """Return an attack's verdict of 0.1 beside another on the same network that knows no more: ``limited`` if that one
    is clearly better.

    Whoever knows as much or more can do all that the other does: worse in spite of it, an attack has either stopped
    early or met gradients that hide the way, and says nothing of what its knowledge is worth.

    Args:
        own: The verdict so far.
        error: Its mean squared error on some attacker-validation images, >= 0.
        other: That of the other attack on the same images, >= 0.
    """
    return "limited" if own in ("converged", "floor") and error > OUTDONE * other else own


def _judged(
    attack: AttackRecord, listed: Sequence[AttackRecord], guess: _Rival | None, rival: _Rival | None, control: Control
) -> Judgement:
    own, gains = attack.measured.verdict, attack.measured.gains
    assert gains is not None
    steps, remainder, halves = steps_of(attack, listed), remainder_of(attack, listed), halves_of(attack, listed)
    for half, cost in halves.items():
        remainder = raised(remainder, cost, FURTHER[half])
    better = _better(attack, listed, rival)
    remainder = raised(remainder, better, 1.0) if better else remainder
    flags = (*_flags(gains), *(_disagreeing(attack, listed)))
    why = None
    if better and rival:
        why = f"worse than {rival.name}, which knows no more of the client"
        flags = (*flags, f"{rival.name} does better")
    if own in ("diverged", "failed"):
        return Judgement(own, why, flags, remainder, halves, steps)
    if own == "floor" or (guess and guess.own > NO_BETTER * guess.other):
        verdict, flag = _at_the_floor(control(attack))
        return Judgement(verdict, _why_floor(guess, verdict) or why, (*flags, *flag), remainder, halves, steps)
    tight = remainder is not None and remainder.high < TIGHT
    return Judgement("tight" if tight else "open", why, flags, remainder, halves, steps)


def _at_the_floor(beats: bool | None) -> tuple[Verdict, tuple[str, ...]]:
    if beats is None:
        return "floor", ("no control",)
    return ("floor", ()) if beats else ("inert", ())


def _why_floor(guess: _Rival | None, verdict: Verdict) -> str | None:
    named = f"no better than the guess {guess.name}" if guess else "no better than a guess"
    return f"{named}, here and on the undefended network" if verdict == "inert" else named


def _better(attack: AttackRecord, listed: Sequence[AttackRecord], rival: _Rival | None) -> Range | None:
    """Return by how much the hardest rival does better, if that is beyond chance: on the same images, in pairs."""
    if rival is None or rival.own <= rival.other:
        return None
    other = next(each for each in listed if each.job.name == rival.name)
    pairs = min(len(attack.measured.selection_mse), len(other.measured.selection_mse))
    if not pairs:  # of 0.1
        share = rival.own / rival.other - 1
        return Range(value=share, low=share, high=share) if rival.own > OUTDONE * rival.other else None
    found = gain(attack.measured.selection_mse[:pairs], other.measured.selection_mse[:pairs])
    return found if found.low > 0 else None


def _disagreeing(attack: AttackRecord, listed: Sequence[AttackRecord]) -> tuple[str, ...]:
    """Return the flag of an attack that another seed makes better or worse, beyond chance and ``NO_BETTER``."""
    for each in other_seeds(attack, listed):
        if each.measured.selection_mse:
            found = gain(each.measured.selection_mse, attack.measured.selection_mse)
            if found.low * found.high > 0 and abs(found.value) > 1 - NO_BETTER:
                return ("seeds disagree",)
    return ()


def _of_old(own: Verdict, mine: Selected, guesses: list[Selected], rival: _Rival | None) -> Judgement:
    """Return the verdict of a record of 0.1."""
    verdict, why = own, None
    guess = _hardest(mine, guesses)
    if own == "converged" and guess and guess.own > NO_BETTER * guess.other:
        verdict, why = "floor", f"no better than the guess {guess.name}"
    if rival and outdone(verdict, rival.own, rival.other) != verdict:
        verdict, why = "limited", f"worse than {rival.name}, which knows no more of the client"
    return Judgement(verdict, why)


def _flags(gains: Gains | None) -> tuple[str, ...]:
    return gains.flags if gains else ()


def _rivals(attack: AttackRecord, listed: Sequence[AttackRecord]) -> list[AttackRecord]:
    return [each for each in listed if each.job != attack.job and knows_no_more(each, attack)]


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
