"""What shorter trainings would have come to: branches off the long one, which leave no trace in it.

References:
    Hu et al., MiniCPM: unveiling the potential of small language models with scalable training strategies, 2024 (the
    warm-up, stable, decay schedule).
    Hägele, Bakouch, Kosson, Ben Allal, von Werra, Jaggi, Scaling laws and compute-optimal training beyond fixed
    training durations, 2024.
"""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from attacks.counted import counted
from attacks.fitting import DECAY, Plan, Stable, batches, unit

SHARES = (0.25, 0.5)
"""Lengths of the branches over that of the training; the last is what a doubling is measured from."""


class Restorable(Protocol):
    """What the steps of a training change."""

    def state_dict(self) -> dict[str, Any]:
        """Return all of it."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Put it back."""


class Branches:
    """Trainings of a quarter and of half the steps, each a decay off the stable phase of the whole one.

    They cost ``DECAY`` of their length each: .22 of the training, where a second one of half the steps cost .5.
    Weights, moments and random state are put back after each, so that the long training is the same, bit for bit, with
    them and without. Of a schedule without a stable phase, a branch falls in the same line from the rate that it
    leaves: a training of half the steps on a schedule of its own.

    Args:
        images: The attacker's, uint8, ``(N, 3, height, width)``.
        length: Of the long training, or of the phase of it that is branched off.
        optimiser: Whose learning rate is set before each step, in every group.
        rate: The long training's learning rate of a step, counted from 0.
        step: Takes one step on images in [0, 1], ``(B, 3, height, width)``.
        errors: Returns each validation image's error now, ``(V,)``: at the end of a branch, what it came to.
        parts: All that a step changes.
        before: Steps of the training before the phase, >= 0.
    """

    def __init__(
        self,
        images: Tensor,
        length: Plan,
        optimiser: torch.optim.Optimizer,
        rate: Callable[[int], float],
        step: Callable[[Tensor], Tensor],
        errors: Callable[[], Tensor],
        parts: Sequence[Restorable],
        before: int = 0,
    ) -> None:
        self.images, self.length, self.optimiser, self.rate = images, length, optimiser, rate
        self.step, self.errors, self.parts, self.before = step, errors, parts, before
        self.found: dict[int, Tensor] = {}
        """Errors ``(V,)`` by the number of steps."""

    def after(self) -> dict[int, Callable[[], None]]:
        """Return what :func:`attacks.fitting.train` is to call after which steps."""
        lengths = sorted({total for share in SHARES if (total := round(share * self.length.total)) >= 2})
        return {self.before + _begun(total): functools.partial(self._branch, total) for total in lengths}

    def shares(self, taken: int) -> dict[float, Tensor]:
        """Return the errors ``(V,)`` by the share of the steps that the long training took."""
        return {total / taken: errors for total, errors in self.found.items() if total < taken}

    def _branch(self, total: int) -> None:
        begun, schedule = _begun(total), Stable(total, rise=1 / (total + 1))
        peak = self.rate(self.before + begun)
        kept = [copy.deepcopy(part.state_dict()) for part in self.parts]
        devices = [self.images.device] if self.images.is_cuda else []
        with torch.random.fork_rng(devices):
            steps = counted(range(begun, total), told=False)
            for taken, batch in zip(steps, batches(self.images, self.length.batch_size), strict=False):
                for group in self.optimiser.param_groups:
                    group["lr"] = peak * schedule(taken)
                self.step(unit(batch))
            self.found[total] = self.errors()
        for part, state in zip(self.parts, kept, strict=True):
            part.load_state_dict(state)


def of_both(
    first: Mapping[float, Tensor], between: Tensor, second: Mapping[float, Tensor], own: Tensor
) -> dict[float, Tensor]:
    """Return the errors ``(V,)`` of a training of two phases by the share of the steps: the phases' losses are added.

    Args:
        first: Errors at the end of shorter first phases, by the share of its steps.
        between: Those at the end of the whole first phase.
        second: Errors at the end of shorter second phases, each after the whole first one.
        own: Those at the end of all.
    """
    if not first or not second:
        return dict(second) or {share: own + errors - between for share, errors in first.items()}
    pairs = zip(sorted(first, reverse=True), sorted(second, reverse=True), strict=False)
    return {(one + other) / 2: second[other] + first[one] - between for one, other in pairs}


def _begun(total: int) -> int:
    """Return after how many steps a branch leaves that comes to so many."""
    return max(1, round((1 - DECAY) * total))
