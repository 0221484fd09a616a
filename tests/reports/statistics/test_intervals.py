"""Intervals are those of the seeds' means, whatever lies below the seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics import interval, seed_means
from reports.statistics.intervals import BOOTSTRAP_FROM, RANGES


@pytest.mark.parametrize("count", [2, 3, 9])
def test_few_seeds_have_students_interval(count):
    means = np.random.default_rng(count).normal(0.5, 0.1, count)
    found = interval(means)
    expected = stats.t.interval(0.95, count - 1, means.mean(), stats.sem(means))
    assert found == pytest.approx((means.mean(), *expected, count))


def test_one_seed_has_no_interval_and_none_no_mean():
    assert interval(np.array([0.4]))[0] == 0.4
    assert np.isnan(interval(np.array([0.4]))[1:3]).all()
    assert np.isnan(interval(np.array([]))[:3]).all()


def test_many_seeds_have_the_bootstrap_t_of_scipy():
    """Scipy resamples the studentised means; ours must have their quantiles, but for the noise of resampling."""
    means = np.random.default_rng(1).exponential(size=BOOTSTRAP_FROM)

    def studentised(drawn, axis):
        return (drawn.mean(axis=axis) - means.mean()) / (drawn.std(axis=axis, ddof=1) / drawn.shape[axis] ** 0.5)

    many = stats.bootstrap((means,), studentised, n_resamples=9999, method="percentile", axis=-1, rng=2)
    found, error = interval(means), stats.sem(means)
    assert (found.value - found.low) / error == pytest.approx(many.confidence_interval.high, rel=0.1)
    assert (found.value - found.high) / error == pytest.approx(many.confidence_interval.low, rel=0.1)
    assert found == interval(means)


def test_no_interval_reaches_beyond_what_there_is():
    assert interval(np.array([0.9, 0.99]), within=RANGES["accuracy"]).high == 1.0
    assert interval(np.array([0.001, 0.02]), within=RANGES["mse"]).low == 0.0


def test_values_that_are_all_equal_leave_no_doubt():
    for count in (3, BOOTSTRAP_FROM):
        assert interval(np.full(count, 0.25))[:3] == (0.25, 0.25, 0.25)


def test_images_and_attack_seeds_are_averaged_within_their_defense_seed():
    rows = [
        {"trial": 0, "seed": 0, "attack_seed": 0, "image": 0, "mse": 1.0},
        {"trial": 0, "seed": 0, "attack_seed": 0, "image": 1, "mse": 3.0},
        {"trial": 0, "seed": 0, "attack_seed": 1, "image": 0, "mse": 6.0},
        {"trial": 0, "seed": 1, "attack_seed": 0, "image": 0, "mse": 5.0},
    ]
    assert seed_means(pd.DataFrame(rows), "mse").to_dict() == {(0, 0): 4.0, (0, 1): 5.0}
