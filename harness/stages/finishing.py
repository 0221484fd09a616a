"""The end of a held training: short rounds in which a strength is brought to the target, each at the same rates.

A weight acts through what the network learns, so that once the learning rate has fallen nothing that is done to it
shows. A held training therefore spares its last steps for rounds: in each the learning rate rises to a small share of
its peak and falls to nothing, the accuracy is measured, and the strength is moved by what it is off. All trainings that
stand beside a target have them, the undefended and the uncontrolled ones too: they are part of the epochs.
"""

import math
from typing import NamedTuple

ROUNDS = 6
"""Rounds of a training."""

SHARE = 0.24
"""Share of its steps that they take."""

BEGINS = 0.2
"""Learning rate that each begins with, as a share of the recipe's largest: with less, the last rounds move nothing."""

LEAST = 3
"""Steps of a round, of a training short enough; one that has not as many for each has no rounds."""


class Rounds(NamedTuple):
    """Where the rounds of a training lie, in steps."""

    begin: int
    """The first step of the first; the training's steps if there are none."""
    length: int
    """Steps of each."""

    def factor(self, step: int) -> float:
        """Return the share of the largest learning rate that a step of a round has."""
        within = (step - self.begin) % self.length
        return BEGINS * (1 + math.cos(math.pi * within / self.length)) / 2

    def ends(self, total: int) -> frozenset[int]:
        """Return the numbers of steps after which a round is over."""
        return frozenset(range(self.begin + self.length, total + 1, self.length))


def rounds_of(total: int) -> Rounds:
    """Return the rounds of a training of so many steps."""
    length = math.floor(total * SHARE / ROUNDS)
    return Rounds(total - ROUNDS * length, length) if length >= LEAST else Rounds(total, total)
