"""What an attack's own runs say of how far it is from the best: with half of something, and with other seeds.

A record's intervals are over images. Where a trial has the same attack with several seeds, what these show of chance in
priors, fits and samplers is in the intervals here as well.
"""

import functools
from collections.abc import Callable, Collection, Sequence

from harness.judging.paired import gain, over_seeds
from harness.records import AttackRecord, Half, Range


def other_seeds(attack: AttackRecord, listed: Sequence[AttackRecord]) -> list[AttackRecord]:
    """Return the attack's other runs on the trial, which differ in the seed alone."""
    job = attack.job
    others = [each for each in listed if each.job.attack == job.attack and each.job.seed != job.seed]
    return [each for each in others if each.job.model_copy(update={"seed": job.seed}) == job]


def steps_of(attack: AttackRecord, listed: Sequence[AttackRecord]) -> Range | None:
    """Return what the last doubling of the steps gained; null of what does not say.

    Args:
        attack: The attack.
        listed: All that ran on its trial.
    """
    return _over_seeds(attack, listed, lambda each: each.measured.gains.steps if each.measured.gains else None)


def remainder_of(attack: AttackRecord, listed: Sequence[AttackRecord]) -> Range | None:
    """Return what the attack's own evidence says that a better one could take off, in [0, 1]."""
    found = _over_seeds(attack, listed, lambda each: each.measured.gains.remainder if each.measured.gains else None)
    return found and Range(value=found.value, low=max(0.0, found.low), high=min(1.0, found.high))


def halves_of(attack: AttackRecord, listed: Sequence[AttackRecord]) -> dict[Half, Range]:
    """Return what the second half of the attacker's images, and of the width, gained where that was measured."""
    if attack.job.half is not None or not any(each.job.half for each in listed):
        return {}
    halves: tuple[Half, ...] = ("images", "width")
    found = {half: _over_seeds(attack, listed, functools.partial(_cost, listed=listed, half=half)) for half in halves}
    return {half: share for half, share in found.items() if share}


def not_halved(attack: AttackRecord, deciding: bool, measured: Collection[Half]) -> dict[str, str]:
    """Return why it is not known what the second half of something gained, by what it is.

    Args:
        attack: The attack.
        deciding: Whether it decides an objective of its trial.
        measured: Of what it is known.
    """
    if not deciding:
        return {} if measured else {"images, width": "not halved, since it decides neither mse nor ssim"}
    later = "not halved: `invfront attack STUDY front --halves` does so, but for what has a prior"
    narrow = "halved at `strong` alone" if attack.job.budget != "strong" else f"{later} or no width"
    return {half: why for half, why in (("images", later), ("width", narrow)) if half not in measured}


def _over_seeds(
    attack: AttackRecord, listed: Sequence[AttackRecord], share: Callable[[AttackRecord], Range | None]
) -> Range | None:
    own, others = share(attack), [share(each) for each in other_seeds(attack, listed)]
    return over_seeds(own, [other for other in others if other]) if own else None


def _cost(attack: AttackRecord, listed: Sequence[AttackRecord], half: Half) -> Range | None:
    job = attack.job.model_copy(update={"half": half})
    halved = next((each for each in listed if each.job == job and each.measured.selection_mse), None)
    return gain(halved.measured.selection_mse, attack.measured.selection_mse) if halved else None
