"""Numbers on a grid are compared by their position, not by how they were computed or written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.study import Choices, Range, alike, first_difference, load_study
from harness.study.distributions import same

TENTHS = Range(low=0.1, high=0.5, step=0.1)


def test_a_grid_of_tenths_has_the_numbers_that_it_has_on_paper():
    assert [TENTHS.at(index) for index in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert 0.1 + 2 * 0.1 != 0.3


@given(st.integers(-1000, 1000), st.integers(1, 50), st.integers(1, 200), st.integers(0, 6))
def test_a_value_is_found_at_its_position_however_it_was_computed(low, step, count, digits):
    scale = 10**digits
    grid = Range(low=low / scale, high=(low + count * step) / scale, step=step / scale)
    assert grid.size() == count + 1
    for index in {0, count // 2, count}:
        assert grid.position(grid.at(index)) == index
        assert grid.position(grid.low + index * (step / scale)) == index
        assert grid.contains(grid.low + index * (step / scale))
        assert grid.settled(grid.low + index * (step / scale)) == (low + index * step) / scale
    assert grid.position(grid.at(count) + step / scale) is None


@pytest.mark.parametrize("value", [True, "0.1", None, 0.15, 0.6, 0.0])
def test_what_is_not_on_a_grid_has_no_position(value):
    assert TENTHS.position(value) is None
    assert not TENTHS.contains(value)


def test_whole_numbers_of_a_range_may_be_written_with_a_point():
    wide = Range(low=1, high=2**62, step=3)
    assert (wide.position(4.0), wide.settled(4.0), wide.size()) == (1, 4, (2**62 - 1) // 3 + 1)
    assert not wide.contains(4.5)


def test_choices_are_found_by_what_they_are():
    choices = Choices((0.1, 0.3, 1, True, "1"))
    places = {"a": 0.1 + 0.2, "b": 1.0, "c": True, "d": "1", "e": 2}
    assert [choices.position(value) for value in places.values()] == [1, 2, 3, 4, None]
    assert choices.settled(0.1 + 0.2) == 0.3


def test_only_rounding_makes_two_numbers_the_same():
    assert same(0.3, 0.1 + 0.2)
    assert same(0.3, math.nextafter(0.3, 1))
    assert not same(0.3, 0.3 + 1e-9)
    assert not same(1, True)
    assert alike(0.3, 0.3, 0.1 + 0.2)


def test_how_a_number_is_written_makes_no_other_study(tmp_path):
    text = "{name: mine, defense: {laplace: {scale: %s}, vib: {lam: {choices: [%s]}}}}"
    for name, values in {"one": ("1", "0.3, 2"), "two": ("1.0", "3e-1, 2.0"), "three": ("1.5", "0.3, 2")}.items():
        (tmp_path / name).write_text(text % values)
    one, two, three = (load_study(tmp_path / name) for name in ("one", "two", "three"))
    assert first_difference(one, two) is None
    assert str(first_difference(one, three)) == "defense/laplace/scale is 1, not 1.5"
