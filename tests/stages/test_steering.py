"""The law that holds a training to an accuracy: on a plant of its kind, and piece by piece."""

import math
import random
from itertools import pairwise

import pytest

from harness.stages.steering import BOLDEST, REACH, Course, Measurement, Steering, from_line, to_line

MOMENTS = 48


def lr(progress: float) -> float:
    """One-cycle, of its peak."""
    return progress / 0.3 if progress < 0.3 else 0.5 * (1 + math.cos(math.pi * (progress - 0.3) / 0.7))


def undefended(progress: float) -> float:
    """An accuracy that is learned in an eighth of the training and rises as the learning rate falls."""
    rise = 0.15 * (1 - lr(progress)) if progress > 0.3 else 0.0
    return 0.1 + 0.83 * (1 - math.exp(-progress / 0.12)) * (0.85 + rise)


COURSE = Course(
    target=0.7,
    undefended=[Measurement((k + 1) / MOMENTS, undefended((k + 1) / MOMENTS)) for k in range(MOMENTS)],
    chance=0.1,
)


def ended(half: float, width: float, lag: float, seed: int) -> float:
    """Return the accuracy at the end of a training.

    Its accuracy follows, the slower the lower the learning rate, what a strength lets it have: half of the undefended
    one's at ``half`` e-folds from the start of the strength.
    """
    steering, rng = Steering(kind="weight", start=1.0, course=COURSE, begins=0.125), random.Random(seed)
    accuracy, place = 0.1, 0.0
    for step in range(10 * MOMENTS):
        progress = (step + 1) / (10 * MOMENTS)
        allowed = 0.1 + (undefended(progress) - 0.1) / (1 + math.exp((place - half) / width))
        accuracy += (allowed - accuracy) * min(1.0, max(lr(progress), 0.05) / (lag * 10 * MOMENTS))
        if (step + 1) % 10 == 0 and progress < 1:
            place = math.log(steering.moved(Measurement(progress, accuracy + rng.gauss(0, 0.015))))
    return accuracy


@pytest.mark.parametrize("half", [-4.0, 0.0, 4.0])
@pytest.mark.parametrize(("width", "lag"), [(0.5, 0.01), (1.0, 0.01), (1.0, 0.03)])
def test_a_strength_that_is_fifty_times_off_is_found(half, width, lag):
    errors = [ended(half, width, lag, seed) - COURSE.target for seed in range(5)]
    assert max(map(abs, errors)) < 0.025
    assert abs(sum(errors)) / 5 < 0.01


def test_the_course_ends_at_the_target_and_is_the_undefended_one_in_proportion():
    assert COURSE.at(1.0) == pytest.approx(0.7)
    half = COURSE.at(0.5)
    assert (half - 0.1) / (0.7 - 0.1) == pytest.approx((undefended(0.5) - 0.1) / (undefended(1.0) - 0.1))
    assert COURSE.at(0.001) == COURSE.at(1 / MOMENTS)


def test_nothing_is_moved_while_penalties_are_not_whole():
    steering = Steering(kind="weight", start=0.3, course=COURSE, begins=0.125)
    assert steering.moved(Measurement(0.1, 1.0)) == 0.3


@pytest.mark.parametrize("kind", ["weight", "scale", "share"])
def test_too_accurate_is_too_weak_and_no_strength_leaves_its_kind(kind):
    steering = Steering(kind=kind, start=0.3, course=COURSE, begins=0.0)
    stronger = [steering.moved(Measurement(k / 100, 1.0)) for k in range(1, 101)]
    assert stronger == sorted(stronger)
    assert 0.3 < stronger[0] <= stronger[-1] <= from_line(to_line(0.3, kind) + REACH, kind) + 1e-12
    weaker = [steering.moved(Measurement(1 + k / 100, 0.0)) for k in range(1, 301)]
    assert 0 < weaker[-1] < 0.3
    assert kind != "share" or stronger[-1] < 1


@pytest.mark.parametrize("kind", ["weight", "scale", "share"])
def test_the_line_of_a_strength_leads_back(kind):
    assert [from_line(to_line(strength, kind), kind) for strength in (0.01, 0.5, 0.99)] == pytest.approx(
        [0.01, 0.5, 0.99]
    )


def test_a_round_moves_a_strength_the_further_the_longer_the_accuracy_stays_off_on_one_side():
    steering = Steering(kind="weight", start=1.0, course=COURSE, begins=0.125)
    places = [0.0]
    for accuracy in (0.71, 0.71, 0.71, 0.71, 0.69, 0.71):
        places.append(to_line(steering.finished(Measurement(1.0, accuracy)), "weight"))
    moves = [after - before for before, after in pairwise(places)]
    assert [move / moves[0] for move in moves] == pytest.approx([1, 2, BOLDEST, BOLDEST, -1, 1])
    again = Steering(kind="weight", start=1.0, course=COURSE, begins=0.125)
    again.load(steering.state())
    assert again.finished(Measurement(1.0, 0.71)) == steering.finished(Measurement(1.0, 0.71))
