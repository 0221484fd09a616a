"""How a trial's attacks and guesses compare on attacker-validation, where verdicts are made: always on images that both
have.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.judging.worst import BLIND, OBJECTIVE_PARTS
from harness.records import AttackRecord, Guess, Scores


class Selected(NamedTuple):
    """What an attack, or a guess without z, did on attacker-validation."""

    name: str
    selection: Scores
    subsets: Mapping[str, Scores]
    """On the first so many images, by their number."""
    size: int | None
    """Number of the images that ``selection`` is the mean over; null for all of attacker-validation."""


def selected(floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> list[Selected]:
    """Return what can be compared: the scored attacks and the blind guesses.

    What has no subsets was recorded before there were any, when everything was measured on all images.
    """
    guesses = [Selected(name, floors[name].selection, floors[name].subsets, None) for name in BLIND if name in floors]
    scored = [
        Selected(attack.job.name, attack.measured.selection, attack.measured.subsets, size)
        for attack, size in _sizes(floors, list(attacks))
        if attack.job.part in OBJECTIVE_PARTS and attack.job.counts
        if attack.measured.selection and attack.measured.scores
    ]
    return scored + guesses


def on_common(one: Selected, other: Selected) -> tuple[Scores, Scores] | None:
    """Return the scores of two on the most images that both have; null if there are none."""
    if one.size == other.size:
        return one.selection, other.selection
    common = one.subsets.keys() & other.subsets.keys()
    if not common:
        return None
    most = max(common, key=int)
    return one.subsets[most], other.subsets[most]


def _sizes(floors: Mapping[str, Guess], attacks: Sequence[AttackRecord]) -> Iterator[tuple[AttackRecord, int | None]]:
    """Yield each attack with the number of its images; null if it has as many as the guesses, which have all."""
    guessed = max((_most(guess.subsets) for guess in floors.values()), default=0)
    most = guessed or max((_most(attack.measured.subsets) for attack in attacks), default=0)
    scored = max((attack.measured.images for attack in attacks), default=0)
    for attack in attacks:
        size = _most(attack.measured.subsets)
        # of guesses without subsets the number is not known: then all have those that also score most images
        everything = size == most and (guessed > 0 or attack.measured.images == scored)
        yield attack, None if everything or not size else size


def _most(subsets: Mapping[str, Scores]) -> int:
    return max(map(int, subsets), default=0)
