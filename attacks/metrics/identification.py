"""Which of a fixed number of known images a release is of: what an attacker may ask who only wants to tell them apart.

References:
    Neyman, Pearson, On the problem of the most efficient tests of statistical hypotheses, 1933.
"""

from collections.abc import Callable

import torch
from torch import Tensor

CANDIDATES = 100
"""Images among which one is looked for, itself included: always as many, so that chance is the same everywhere."""

IDENTIFIED = 500
"""Most images looked for, the first ones."""

FOUND = {
    "identified_1": f"share of images found at the first guess among {CANDIDATES} candidates from their release: by "
    "likelihood by whoever holds the client (knowledge gradients), by cosine of features by whoever may ask it "
    "(queries), by cosine of the reconstruction by whoever does neither (none); a tie counts against the attacker",
    "identified_1_se": "its standard error over images",
    "identified_5": f"the same within five guesses, of which chance is {5 / CANDIDATES:g}",
    "identified_chance": f"what a guess without the release has of identified_1: 1 of {CANDIDATES}",
    "identified_candidates": "number of candidates, always the same",
}
"""What each number is."""

Scores = Callable[[slice, slice], Tensor]
"""From images looked for and candidates, by their places, how well each pair agrees, ``(images, candidates)``."""


def identified(scores: Scores, count: int, total: int) -> dict[str, float] | None:
    """Return the numbers in ``FOUND``; None if there are fewer images than candidates.

    Every image is looked for among its block of ``CANDIDATES`` successive images; what is left of an incomplete last
    block among the last ones.

    Args:
        scores: The higher, the better a candidate agrees; what is not a number agrees with all.
        count: Images looked for, the first ones; at most ``IDENTIFIED`` are.
        total: Images there are, >= ``count``.
    """
    if total < CANDIDATES:
        return None
    rank = torch.cat([_ranks(scores, images, total) for images in _blocks(min(count, IDENTIFIED))])
    first, five = (float((rank < most).double().mean()) for most in (1, 5))
    return {
        "identified_1": first,
        "identified_1_se": (first * (1 - first) / len(rank)) ** 0.5,
        "identified_5": five,
        "identified_chance": 1 / CANDIDATES,
        "identified_candidates": float(CANDIDATES),
    }


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + CANDIDATES, count)) for start in range(0, count, CANDIDATES)]


def _ranks(scores: Scores, images: slice, total: int) -> Tensor:
    """Return how many candidates agree with each image at least as well as itself, ``(B,)``."""
    first = min(images.start, total - CANDIDATES)
    found = scores(images, slice(first, first + CANDIDATES))
    own = torch.arange(images.start - first, images.stop - first, device=found.device)
    itself = found.gather(1, own[:, None])
    return (~(found < itself)).sum(1) - 1


def cosines(left: Tensor, right: Tensor, mean: Tensor) -> Tensor:
    """Return the cosine of each pair of two lots about a common mean, ``(B, n)``: shrinking either changes nothing.

    Args:
        left: ``(B, ...)``.
        right: ``(n, ...)``.
        mean: ``(...)``.
    """
    unit = [torch.nn.functional.normalize((each - mean).flatten(1).double(), dim=1) for each in (left, right)]
    return unit[0] @ unit[1].mT
