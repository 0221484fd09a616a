"""Attainment, its volumes and its mean front agree with moocore, which is other people's code, and obey their laws."""

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.dominance import non_dominated
from reports.statistics import attained, bands, expectation, volume

REFERENCE = {"accuracy": 0.0, "mse": 0.0, "ssim": 1.0}
CORNER = (0.0, 0.0, -1.0)
"""The reference, turned as points are."""

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=5)


def drawn(sizes: list[int], seed: int, objectives: int = 3) -> list[np.ndarray]:
    """Return fronts of random points, turned so that more is better, rounded so that ties occur."""
    rng = np.random.default_rng(seed)
    low = np.array([*CORNER][:objectives]) if objectives == 3 else np.zeros(objectives)
    return [(low + rng.random((size, objectives))).round(1 if seed % 2 else 6) for size in sizes]


def by_moocore(fronts: list[np.ndarray], level: int) -> np.ndarray:
    sets = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    found = moocore.eaf(-np.concatenate(fronts), sets, percentiles=[100 * level / len(fronts)])
    return -found[:, :-1]


def ordered(points: np.ndarray) -> list[tuple[float, ...]]:
    return sorted({tuple(point + 0.0) for point in points})


@settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_every_level_is_moocores(sizes, seed, objectives):
    fronts = drawn(sizes, seed, objectives)
    for level in range(1, len(fronts) + 1):
        found = attained(fronts, level)
        assert ordered(found) == ordered(by_moocore(fronts, level))
        assert non_dominated(found).all()


@settings(max_examples=25, deadline=None)
@given(SIZES, st.integers(0, 10**6))
def test_the_mean_hypervolume_is_the_volume_under_the_attainment_function(sizes, seed):
    fronts = drawn(sizes, seed)
    levels = [volume(attained(fronts, level), REFERENCE) for level in range(1, len(fronts) + 1)]
    assert np.mean(levels) == pytest.approx(
        np.mean([volume(front, REFERENCE) for front in fronts]), rel=1e-9, abs=1e-12
    )
    assert levels == sorted(levels, reverse=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_a_hypervolume_is_moocores(size, seed):
    (front,) = drawn([size], seed)
    assert volume(front, REFERENCE) == pytest.approx(moocore.hypervolume(front, CORNER, maximise=True), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 10**6))
def test_the_mean_front_is_the_level_of_the_mean_volume(sizes, seed):
    fronts = drawn(sizes, seed)
    found = expectation(fronts, REFERENCE)
    sets = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    theirs = moocore.vorob_t(-np.concatenate(fronts), sets, ref=[-value for value in CORNER])
    assert found.mean_volume == pytest.approx(theirs["avg_hyp"])
    assert volume(found.points, REFERENCE) >= found.mean_volume * (1 - 1e-9)
    deviation = moocore.vorob_dev(-np.concatenate(fronts), sets, ref=[-value for value in CORNER], ve=-found.points)
    assert found.deviation == pytest.approx(deviation, abs=1e-12)
    tighter = round(found.threshold * len(fronts)) + 1
    if tighter <= len(fronts):
        assert volume(attained(fronts, tighter), REFERENCE) < found.mean_volume * (1 + 1e-9)


def test_the_mean_front_of_equal_fronts_is_that_front():
    (front,) = drawn([4], 3)
    found = expectation([front] * 3, REFERENCE)
    assert ordered(found.points) == ordered(front[non_dominated(front)])
    assert (found.threshold, found.deviation) == (1.0, pytest.approx(0.0, abs=1e-12))


def test_a_level_beyond_the_fronts_is_refused():
    with pytest.raises(ValueError, match="takes 1 to 2"):
        attained(drawn([2, 2], 0), 3)


def test_points_are_left_alone():
    fronts = drawn([3, 4, 2], 5)
    before = [front.copy() for front in fronts]
    attained(fronts, 2)
    assert all(np.array_equal(front, old) for front, old in zip(fronts, before, strict=True))


def test_bands_are_of_the_seeds_that_all_candidates_have():
    runs = pd.DataFrame(
        [
            (trial, seed, 0.5 + 0.1 * trial, 0.02 - 0.005 * trial + 0.001 * seed, 0.4)
            for trial in (0, 1)
            for seed in (0, 1, 2)
        ],
        columns=["trial", "seed", "accuracy", "mse", "ssim"],
    )
    raced = runs[~((runs["trial"] == 0) & (runs["seed"] == 2))]
    found = bands(raced, ("accuracy", "mse"))
    assert found["band"].unique().tolist() == ["best", "median", "worst"]
    assert found[found["band"] == "best"]["mse"].max() == pytest.approx(0.021)
    assert found[found["band"] == "worst"]["mse"].max() == pytest.approx(0.020)
    assert bands(runs.iloc[:0]).empty
