"""How a defense's strength is moved so that a training ends at an accuracy: a law of measurements, pure of networks.

An accuracy rises by itself as the learning rate falls, so what is measured on the way is not held against the target
but against a course that ends there: the undefended network's, measured at the same shares of its training, brought
down in proportion to what lies above chance. What is off is summed, and moves the logarithm of a weight or a scale, or
the logit of a share; so strengths that are a hundred times off are found again.

References:
    Astrom and Murray, Feedback Systems, 2008 (proportional-integral control, anti-windup).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from defenses.base import StrengthKind

VERSION = 3
"""Raised where trainings are held otherwise than before."""


class Gains(NamedTuple):
    """How a strength answers to an accuracy that is off."""

    integral: float
    """By how much it moves on its line over a whole training for each unit of accuracy that it is off."""
    proportional: float
    """By how much it is moved at once."""


GAINS: dict[StrengthKind, Gains] = {
    "weight": Gains(integral=100.0, proportional=8.0),
    "scale": Gains(integral=40.0, proportional=0.5),
    "share": Gains(integral=40.0, proportional=0.5),
}
"""A weight acts through what the network learns, late and then fast; noise and what is left out act at once."""
FINISH: dict[StrengthKind, float] = {"weight": 12.0, "scale": 2.0, "share": 2.0}
"""By how much a strength is moved after a round at the end of a training for each unit of accuracy that it is off."""
BOLDEST = 4.0
"""Multiple of that to which it doubles, round by round, while the accuracy stays off on one side."""
TRIM = 2.0
"""By how much noise, or what is left out, is moved at a time for each unit of accuracy once the network is trained."""
FASTEST = 30.0
"""Most that a strength rises over a whole training, and half of how much it falls: what has broken is mended late."""
SMOOTHING = 0.5
"""Share of what was off before in what counts as off now."""
MOST = 0.1
"""Most that an accuracy counts as too low by: a measurement may be broken where the network is not."""
REACH = math.log(1e4)
"""Farthest that it goes from its start, to either side."""
MARGIN = 0.02
"""By which the undefended network must exceed a target: below that there is nothing to pay with."""


class Measurement(NamedTuple):
    """An accuracy on the way."""

    progress: float
    """Share of the training done, in (0, 1]."""
    accuracy: float
    """On the control part, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Where an accuracy should be on the way to a target."""

    target: float
    undefended: Sequence[Measurement]
    """Of the undefended network, in order; the last at the end of its training."""
    chance: float
    """Accuracy of a guess, in (0, 1)."""

    def at(self, progress: float) -> float:
        """Return the wanted accuracy, straight between measurements."""
        ends = self.undefended[-1].accuracy
        share = (self.target - self.chance) / (ends - self.chance)
        return self.chance + share * max(0.0, _between(self.undefended, progress) - self.chance)


def _between(course: Sequence[Measurement], progress: float) -> float:
    """Return a course's accuracy, straight between its measurements and level beyond them."""
    after = next((index for index, point in enumerate(course) if point.progress >= progress), len(course))
    if after == 0 or after == len(course):
        return course[min(after, len(course) - 1)].accuracy
    one, other = course[after - 1], course[after]
    share = (progress - one.progress) / (other.progress - one.progress)
    return one.accuracy + share * (other.accuracy - one.accuracy)


@dataclass(kw_only=True)
class Steering:
    """A strength on its way."""

    kind: StrengthKind
    start: float
    """Strength that the training begins with."""
    course: Course
    begins: float
    """Share of the training before which nothing is moved, in [0, 1]: until then penalties are not whole, or do not
    count yet.
    """
    summed: float = 0.0
    """What was off, summed over the training."""
    off: float = 0.0
    """How far the accuracy is off, smoothed."""
    move: float = 0.0
    """How far the strength is from its start, on the line."""
    last: float = 0.0
    """Share of the training at the last measurement."""
    missed: float = 0.0
    """How far the accuracy was off after the last round."""
    boldness: float = 1.0
    """Multiple by which a round moves the strength."""

    def state(self) -> tuple[float, ...]:
        """Return what a checkpoint holds."""
        return self.summed, self.off, self.move, self.last, self.missed, self.boldness

    def load(self, state: Sequence[float]) -> None:
        """Go on from a checkpoint."""
        self.summed, self.off, self.move, self.last, self.missed, self.boldness = state

    def moved(self, measured: Measurement) -> float:
        """Return the strength after a measurement; too accurate is too weak."""
        if measured.progress > self.begins:
            off = max(measured.accuracy - self.course.at(measured.progress), -MOST)
            elapsed = measured.progress - max(self.last, self.begins)
            self.off = SMOOTHING * self.off + (1 - SMOOTHING) * off
            self.summed += off * elapsed
            integral, proportional = GAINS[self.kind]
            wanted = integral * self.summed + proportional * self.off
            least, most = max(-REACH, self.move - 2 * FASTEST * elapsed), min(REACH, self.move + FASTEST * elapsed)
            self.move = min(max(wanted, least), most)
            if self.move != wanted:  # what could not be done is not owed
                self.summed = (self.move - proportional * self.off) / integral
            self.last = measured.progress
        return from_line(to_line(self.start, self.kind) + self.move, self.kind)

    def finished(self, measured: Measurement) -> float:
        """Return the strength after a round at the end of a training."""
        off = max(measured.accuracy - self.course.at(measured.progress), -MOST)
        self.boldness = min(2 * self.boldness, BOLDEST) if off * self.missed > 0 else 1.0
        self.missed = off
        self.move = min(max(self.move + self.boldness * FINISH[self.kind] * off, -REACH), REACH)
        return from_line(to_line(self.start, self.kind) + self.move, self.kind)


def trimmed(steering: Steering, accuracy: float) -> float:
    """Return the strength by which a trained network comes nearer to its target; of what acts at once alone."""
    steering.move = min(max(steering.move + TRIM * (accuracy - steering.course.target), -REACH), REACH)
    return from_line(to_line(steering.start, steering.kind) + steering.move, steering.kind)


def to_line(strength: float, kind: StrengthKind) -> float:
    """Return where a strength lies on the line on which it is moved."""
    return math.log(strength) - math.log1p(-strength) if kind == "share" else math.log(strength)


def from_line(place: float, kind: StrengthKind) -> float:
    """Return the strength at a place of the line."""
    return 1 / (1 + math.exp(-place)) if kind == "share" else math.exp(place)
