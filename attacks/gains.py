"""What a better attacker could still take off an attack's error, with an interval, from what less of its budget did.

Write ``e`` for an attack's error and ``e_inf`` for the least possible one. Nobody knows ``e_inf`` of a real network,
but four things show on the attacker's own images how far away it is, each as a share of ``e``:

- ``steps``: what the last doubling of the steps gained (a branch of the schedule: :mod:`attacks.branches`);
- ``gap``: how much better the images do that it was fitted on: what more images would gain;
- ``correction``: what a correction by the release itself takes off (:mod:`attacks.correction`); what is best leaves it
  nothing;
- ``drawn``: what is left of the randomness of so few samples.

The excess ``e / e_inf - 1`` and the ends of its interval are lines in them (``LAWS``), over bootstrap resamples of
images. They are quantile regressions, rounded, on 362 short runs like those of ``tests/calibration.py``, on problems
with known answers, but that the interval begins at nought where nothing shows: that proves nothing.
``tests/attacks/test_calibration.py`` holds that on seeds that had no part in it the interval covers the truth in at
least 86 of 100 (seen: 97 of 105, before ``unrolled`` was one of seven kinds).

References:
    Efron, Tibshirani, An introduction to the bootstrap, 1993.
    Koenker, Bassett, Regression quantiles, 1978.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Course

RESAMPLES = 300
"""Of the images."""

LEVEL = 0.9
"""How often the interval is to hold."""


class Range(NamedTuple):
    """A share of an error, with its interval at ``LEVEL``."""

    value: float
    low: float
    high: float


class Gains(NamedTuple):
    """The evidence behind a verdict; what was not measured is None, with a word in ``reasons``."""

    steps: Range | None
    correction: Range | None
    remainder: Range | None
    reasons: Mapping[str, str]


class Law(NamedTuple):
    """How the evidence of one kind of attack is read: weights of steps, gap, correction and drawn, then what is left
    where none of them shows anything, for the excess itself and for the ends of its interval.
    """

    low: tuple[float, float, float, float, float]
    value: tuple[float, float, float, float, float]
    high: tuple[float, float, float, float, float]


def gain(shorter: Tensor, longer: Tensor) -> Range:
    """Return ``mean(shorter) / mean(longer) - 1`` of the same images' errors, ``(N,)`` each, by paired bootstrap."""
    return _range(_mean(shorter) / _mean(longer) - 1)


def improvement(own: Tensor, guess: Tensor) -> Range:
    """Return how much less errors ``(N,)`` are than a guess's, as a share of the guess's, by paired bootstrap."""
    return _range(1 - _mean(own) / _mean(guess))


def gains(course: Course, own: Tensor, corrected: Tensor | None) -> Gains:
    """Return what is known of an attack that has been fitted.

    Args:
        course: What less of its budget came to.
        own: Mean squared errors of what it reconstructs on attacker-validation, ``(N,)``.
        corrected: Those of the first of them once corrected by their releases; None where that cannot be had.
    """
    reasons = dict[str, str]()
    whole, half = course.errors.get(1.0), _half(course.errors)
    steps = correction = None
    if whole is None or half is None:
        reasons["steps"] = "nothing is known of a training of half the steps"
    elif not bool(course.errors[half].isfinite().all()):
        reasons["steps"] = "the training of half the steps diverged"
    else:
        steps = gain(course.errors[half], whole)
    if corrected is None:
        reasons["correction"] = "there are too few images, or features are no patches of them"
    else:
        correction = _range(1 - _mean(corrected) / _mean(own[: len(corrected)]))
    found = evidence(course, own, corrected)
    if (steps is None and correction is None) or not bool(found.isfinite().all()):
        reasons["remainder"] = "neither half the steps nor a correction says anything"
        return Gains(steps, correction, None, reasons)
    return Gains(steps, correction, _remainder(found, law_of(course)), reasons)


def evidence(course: Course, own: Tensor, corrected: Tensor | None) -> Tensor:
    """Return the four of the module's head, ``(4, RESAMPLES + 1)``: of the images, then of their resamples.

    What is not known, or below nought, is nought. A doubling that half the steps are not quite is put to scale.
    """
    nothing = torch.zeros(RESAMPLES + 1, dtype=torch.float64)
    steps = gap = drawn = correction = nothing
    whole, half = course.errors.get(1.0), _half(course.errors)
    if whole is not None and half is not None:
        steps = (_mean(course.errors[half]) / _mean(whole) - 1) / math.log2(1 / half)
    if whole is not None and course.seen is not None:
        gap = 1 - _mean(course.seen) / _mean(whole)
    if whole is not None and course.drawn is not None:
        drawn = _odds(_mean(course.drawn) / _mean(whole))
    if corrected is not None:
        correction = _odds(1 - _mean(corrected) / _mean(own[: len(corrected)]))
    return torch.stack([steps, gap, correction, drawn]).clamp_min(0)


def law_of(course: Course) -> Law:
    """Return how an attack's evidence is read."""
    return LAWS["assumed" if course.assumes else "drawn" if course.drawn is not None else "trained"]


def _remainder(found: Tensor, law: Law) -> Range:
    """Return the remainder: a line's value in the evidence, and the outer quartiles of two other lines' resamples."""
    known = torch.cat([found, torch.ones_like(found[:1])])
    low, value, high = torch.tensor(law, dtype=torch.float64) @ known
    ends = (float(value[0]), float(low[1:].quantile(0.25)), float(high[1:].quantile(0.75)))
    value_, low_, high_ = (_share(excess) for excess in ends)
    return Range(min(max(value_, low_), high_), low_, high_)


def _share(excess: float) -> float:
    """Return the share of an error that an excess ``e / e_inf - 1`` is, in [0, 1)."""
    return max(0.0, excess) / (1 + max(0.0, excess))


def _odds(share: Tensor) -> Tensor:
    """Return the excess that a share of an error is."""
    share = share.clamp(0, 0.99)
    return share / (1 - share)


def _half(errors: Mapping[float, Tensor]) -> float | None:
    """Return the share of the steps that is nearest to half of them."""
    shares = [share for share in errors if 0.2 < share < 1]
    return min(shares, key=lambda share: abs(math.log2(share) + 1), default=None)


def _mean(errors: Tensor) -> Tensor:
    """Return the mean of errors ``(N,)`` and those of its resamples, ``(RESAMPLES + 1,)``.

    As many errors are always resampled alike: those of the same images in pairs.
    """
    errors = errors.detach().double().cpu()
    generator = torch.Generator().manual_seed(len(errors))
    chosen = torch.randint(len(errors), (RESAMPLES, len(errors)), generator=generator)
    return torch.cat([errors.mean()[None], errors[chosen].mean(dim=1)])


def _range(values: Tensor) -> Range:
    """Return the first of values ``(RESAMPLES + 1,)`` with the interval of the others."""
    low, high = values[1:].quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)).tolist()
    return Range(float(values[0]), low, high)


LAWS: Mapping[str, Law] = {
    "trained": Law(
        low=(0.17, 0.16, 1.0, 0.0, 0.0),
        value=(0.39, 0.55, 1.94, 0.0, 0.006),
        high=(2.0, 1.55, 6.4, 0.0, 0.006),
    ),
    "drawn": Law(
        low=(0.17, 0.0, 0.27, 0.57, 0.0),
        value=(0.33, 0.0, 0.95, 1.23, 0.001),
        high=(0.33, 0.0, 3.2, 1.7, 0.036),
    ),
    "assumed": Law(
        low=(0.16, 0.16, 1.15, 0.0, 0.0),
        value=(0.25, 0.35, 4.1, 0.0, 0.018),
        high=(1.0, 5.8, 11.3, 0.0, 0.49),
    ),
}
"""By kind: a network that is trained; the mean of samples; one that assumes what no step mends (a linear map, a prior,
the range of a generator), whose own runs hardly tell what the assumption costs."""
