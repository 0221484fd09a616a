"""The worst case over a trial's attacks, on the images that are scored.

References:
    Cochran, Sampling Techniques, 1977, chapter 7 (the difference estimator).
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.records import DIRECTIONS, AttackRecord, Guess, Objectives, Scores

BLIND = ("mean_image", "class_mean")
"""Guesses that need no z, or the predicted label only: every worst case includes them."""

OBJECTIVE_PARTS = ("validation", "train", "test")
"""The scored part that gives the objectives under the strict and under the published protocol, and of a trial that
confirms.
"""

WHOLE = {"validation": "validation", "train": "test", "test": "test"}
"""Whose number of images a record knows, by the scored part."""

ALIKE = 2.0
"""Mean squared error over that of a challenger, on the same images, up to which an attack tells how hard these are."""

MARGIN = 2.0
"""Standard errors by which a challenger that stands alone may be worse on the images that it has not scored."""

SPREAD = {"ssim": 0.25}
"""Standard deviation over images of a score, taken where a record has no standard error; of mse, its mean. Seen: .2 to
.5 of the mean, and .03 to .15.
"""

RANGES = {"mse": (0.0, math.inf), "ssim": (-1.0, 1.0)}


class Means(NamedTuple):
    """Mean scores over some images."""

    mse: float
    ssim: float


class Candidate(NamedTuple):
    """An attack, or a guess without z, that may be the worst."""

    name: str
    own: Means
    """Over the scored images that it has."""
    images: int | None
    """How many of them it has; null for all."""
    errors: Means | None
    """Standard errors of ``own``; null if the record has none."""
    first: Mapping[int, Means]
    """Over the first so many scored images, by their number, each by the first release alone, which all attacks see: so
    a challenger that has but this one is paired with it. Empty in records of before this was recorded."""
    selected: Mapping[int, Means]
    """Likewise over attacker-validation."""


class Decision(NamedTuple):
    """What decides one objective."""

    value: float
    attack: str
    base: str | None
    """The attack on all images by whose mean, plus the paired difference, a challenger decides; null if none does."""
    images: int | None
    """How many scored images the deciding attack has; null for all."""


def candidates(
    floors: Mapping[str, Guess], attacks: Iterable[AttackRecord], images: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """Return everything that can be the worst case: the scored attacks and the blind guesses.

    Args:
        floors: The trial's guesses.
        attacks: Everything that ran on the trial; what failed, probes, other parts and other attackers than the study's
            own are passed over.
        images: Number of images by part; where a record has none, the most that any of its attacks has scored are all.
    """
    parts = [attack for attack in attacks if attack.job.part in OBJECTIVE_PARTS and attack.job.counts]
    scored = [(attack, attack.measured.scores) for attack in parts if attack.measured.scores]
    most = max((attack.measured.images for attack, _ in scored), default=0)
    found = [_candidate(attack, scores, images.get(WHOLE[attack.job.part], most)) for attack, scores in scored]
    guesses = [Candidate(name, _means(floors[name].scores), None, None, {}, {}) for name in BLIND if name in floors]
    return (*found, *guesses)


def compact(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates without what no worst case over any of them needs: a few hundred bytes each, to be kept."""
    sizes = {size for each in found if each.images is not None for size in (*each.first, *each.selected)}

    def needed(means: Mapping[int, Means]) -> Mapping[int, Means]:
        return {size: value for size, value in means.items() if size in sizes}

    return tuple(
        each._replace(name=sys.intern(each.name), first=needed(each.first), selected=needed(each.selected))
        for each in found
    )


def worst_case(accuracy: float, found: Sequence[Candidate]) -> Objectives:
    """Return the objectives of a trial: of each score, the least that the defender can claim.

    An attack on all scored images counts by its mean. One on the first of them, a challenger, counts by the mean of an
    attack on all plus their paired mean difference on common images, if that is below nought, whichever of these
    attacks makes the sum lowest (:func:`decisions`).

    Law: a further candidate never raises mse nor lowers ssim, whatever it is, since every term of the minimum depends
    on one or two candidates alone, and none goes as others come. The law leaves no room for a choice of the worst on
    attacker-validation: of two attacks, one ahead there and the other here, either may have come first.
    """
    mse, ssim = worst(found, "mse"), worst(found, "ssim")
    return Objectives(
        accuracy=accuracy,
        mse=mse.value,
        ssim=ssim.value,
        mse_attack=mse.attack,
        ssim_attack=ssim.attack,
        mse_base=mse.base,
        ssim_base=ssim.base,
    )


def worst(found: Sequence[Candidate], score: str) -> Decision:
    """Return what leaks most by a score; of equals the first."""
    return min(decisions(found, score), key=lambda decision: _sign(score) * decision.value)


def decisions(found: Sequence[Candidate], score: str) -> Iterator[Decision]:
    """Yield all that the worst case by a score is the worst of.

    What has all images: its own mean. A challenger: by itself its mean and ``MARGIN`` standard errors in the defender's
    favour; with each attack on all images that is ``ALIKE`` it, the difference estimate, which decides only below that
    attack's mean. A weaker attack, or a guess, says little of which images are hard: the difference would be noise.
    """
    whole = [each for each in found if each.images is None]
    for each in whole:
        yield Decision(_of(each.own, score), each.name, None, None)
    for challenger in found:
        if challenger.images is not None:
            yield Decision(_alone(challenger, score), challenger.name, None, challenger.images)
            for base in whole:
                yield from _paired(base, challenger, score)


def _paired(base: Candidate, challenger: Candidate, score: str) -> Iterator[Decision]:
    pair = common(base, challenger)
    if pair is None or pair[0].mse > ALIKE * pair[1].mse:
        return
    difference = _of(pair[1], score) - _of(pair[0], score)
    low, high = RANGES[score]
    value = min(max(_of(base.own, score) + difference, low), high)
    yield Decision(value, challenger.name, base.name, challenger.images)


def common(base: Candidate, challenger: Candidate) -> tuple[Means, Means] | None:
    """Return the scores of both on the most first images that both have, of attacker-validation if the records have no
    such means of the scored part; null if there are none.
    """
    for mine, other in ((base.first, challenger.first), (base.selected, challenger.selected)):
        sizes = mine.keys() & other.keys()
        if sizes:
            most = max(sizes)
            return mine[most], other[most]
    return None


def _alone(challenger: Candidate, score: str) -> float:
    """Return what a challenger proves without another attack."""
    own, images = _of(challenger.own, score), challenger.images or 1
    error = _of(challenger.errors, score) if challenger.errors else SPREAD.get(score, own) / images**0.5
    low, high = RANGES[score]
    return min(max(own + _sign(score) * MARGIN * error, low), high)


def _candidate(attack: AttackRecord, scores: Scores, all_images: int) -> Candidate:
    measured = attack.measured
    return Candidate(
        name=attack.job.name,
        own=_means(scores),
        images=None if measured.images >= all_images else measured.images,
        errors=Means(**measured.errors) if measured.errors else None,
        first=_by_number(measured.scored_subsets),
        selected=_by_number(measured.subsets),
    )


def _by_number(subsets: Mapping[str, Scores]) -> dict[int, Means]:
    return {int(size): _means(scores) for size, scores in subsets.items()}


def _means(scores: Scores) -> Means:
    return Means(scores.mse, scores.ssim)


def _of(means: Means, score: str) -> float:
    return means.mse if score == "mse" else means.ssim


def _sign(score: str) -> int:
    """Return +1 where the defender wants more of a score, -1 where less."""
    return 1 if DIRECTIONS[score] == "maximize" else -1
