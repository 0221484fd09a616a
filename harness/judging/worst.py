"""The worst case over a study's attacks: chosen on attacker-validation, reported on the scored part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.records import DIRECTIONS, AttackRecord, Guess, Objectives, Scores

BLIND = ("mean_image", "class_mean")
"""Guesses that need no z, or the predicted label only: every worst case includes them."""

OBJECTIVE_PARTS = ("validation", "train")
"""The scored part that gives the objectives under the strict and under the published protocol."""


class Candidate(NamedTuple):
    """An attack, or a guess without z, that may be the worst."""

    name: str
    selection: Scores
    scores: Scores
    subsets: Mapping[str, Scores]
    """Scores on the first so many images of attacker-validation, by their number."""
    size: int | None
    """Number of the images that ``selection`` is the mean over; null for all of attacker-validation."""


def candidates(floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> list[Candidate]:
    """Return everything that can be the worst case: the scored attacks and the blind guesses.

    What has no subsets was recorded before there were any, when everything was measured on all images.
    """
    guesses = [
        Candidate(name, floors[name].selection, floors[name].scores, floors[name].subsets, None)
        for name in BLIND
        if name in floors
    ]
    scored = [
        Candidate(attack.job.name, attack.measured.selection, attack.measured.scores, attack.measured.subsets, size)
        for attack, size in _sizes(floors, list(attacks))
        if attack.job.part in OBJECTIVE_PARTS and attack.measured.selection and attack.measured.scores
    ]
    return scored + guesses


def shared(one: Candidate, other: Candidate) -> tuple[Scores, Scores] | None:
    """Return what two candidates are compared by: their scores on the most images that both have; null if there are
    none.
    """
    if one.size == other.size:
        return one.selection, other.selection
    common = one.subsets.keys() & other.subsets.keys()
    if not common:
        return None
    most = max(common, key=int)
    return one.subsets[most], other.subsets[most]


def worst_case(accuracy: float, floors: Mapping[str, Guess], attacks: Iterable[AttackRecord]) -> Objectives:
    """Return the objectives of a trial whose attacks all ended with scores.

    Of the candidates with equally many images the worst is taken on all of them. Those with fewer images then challenge
    it, the most images first, on the first images that both have. Two that have no such number in common are not
    compared: the one with fewer images is left out (:func:`left_out`).
    """
    found = candidates(floors, attacks)
    by_mse, by_ssim = _worst(found, "mse"), _worst(found, "ssim")
    return Objectives(
        accuracy=accuracy,
        mse=by_mse.scores.mse,
        ssim=by_ssim.scores.ssim,
        mse_attack=by_mse.name,
        ssim_attack=by_ssim.name,
    )


def left_out(found: Sequence[Candidate]) -> dict[str, str]:
    """Return who could not be compared with a worst candidate, by mse or by ssim, and with which, by their names."""
    worst = [_worst(found, name) for name in ("mse", "ssim")] if found else []
    return {each.name: other.name for other in worst for each in found if shared(each, other) is None}


def _worst(found: Sequence[Candidate], score: str) -> Candidate:
    """Return who leaks most by a score."""
    sign = 1 if DIRECTIONS[score] == "maximize" else -1  # what the defender wants more of, the worst has least of

    def worse(scores: Scores) -> float:
        return sign * float(getattr(scores, score))

    sizes = sorted({each.size for each in found}, key=lambda size: float("inf") if size is None else size, reverse=True)
    groups = [[each for each in found if each.size == size] for size in sizes]
    worst, *smaller = (min(group, key=lambda each: worse(each.selection)) for group in groups)
    for other in smaller:
        pair = shared(worst, other)
        if pair and worse(pair[1]) < worse(pair[0]):
            worst = other
    return worst


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
