"""Rules that judge a training by its curve alone."""

import math

import pytest

from attacks.base import Point
from attacks.verdict import still_falling


def curve(*errors: float) -> list[Point]:
    return [Point(step, error, error) for step, error in enumerate(errors, start=1)]


@pytest.mark.parametrize(
    ("errors", "falls"),
    [
        ((5.0, 3.0, 2.0, 1.5, 1.49), False),
        ((5.0, 3.0, 2.0, 1.5, 1.46), True),
        ((5.0, 3.0, 2.0, 1.5, 1.6), False),
        ((5.0, 3.0, 2.0, 1.5, math.nan), True),
        ((1.0,), True),
    ],
)
def test_a_training_was_too_short_if_its_error_fell_over_the_last_fifth_or_cannot_tell(errors, falls):
    assert still_falling(curve(*errors)) is falls
