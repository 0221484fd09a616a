"""Rank correlations of measures with a score: scipy's numbers, what is missing, and what nothing can be said of."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from reports.statistics import rank_correlations


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


@pytest.mark.parametrize("values", [7, 3], ids=["few ties", "many ties"])
def test_it_is_scipy_s_with_ties_and_without(values):
    random = np.random.default_rng(0)
    told = random.integers(0, values, 40).astype(float)
    mse = -told + random.integers(0, values, 40)
    (found,) = rank_correlations(table(nats=told, mse=mse), ["nats"])
    theirs = spearmanr(told, mse)
    assert found.rho == pytest.approx(theirs.statistic, abs=1e-12)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.low < found.rho < found.high
    assert found.tau == pytest.approx(kendalltau(told, mse).statistic, abs=1e-12)
    assert found.tau_low < found.tau < found.tau_high


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=5, max_size=30))
def test_no_increasing_change_of_either_moves_it_and_a_decreasing_one_turns_it(pairs):
    x, y = np.array(pairs, dtype=float).T
    plain, bent, turned = (
        rank_correlations(table(nats=nats, mse=y), ["nats"])[0].rho for nats in (x, np.exp(x / 20) - 3, -x)
    )
    assert bent == pytest.approx(plain, nan_ok=True)
    assert turned == pytest.approx(-plain, nan_ok=True)


def test_only_trials_with_both_numbers_count_and_each_measure_has_its_own():
    trials = table(
        nats=[1.0, 2.0, math.nan, 4.0, 5.0, math.inf], snr=[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], mse=[5, 4, 3, 2, 1, None]
    )
    nats, snr = rank_correlations(trials, ["nats", "snr"])
    assert (nats.trials, snr.trials) == (4, 5)
    assert (nats.rho, nats.p, snr.rho) == (-1, 0, 1)


@pytest.mark.parametrize("mse", [[], [1.0], [2.0, 2.0, 2.0, 2.0]], ids=["none", "one", "all alike"])
def test_of_too_few_and_of_what_is_all_alike_nothing_is_said(mse):
    (found,) = rank_correlations(table(nats=list(range(len(mse))), mse=mse), ["nats"])
    assert found.trials == len(mse)
    assert all(math.isnan(number) for number in (found.rho, found.low, found.high, found.p))


def test_of_three_trials_there_is_a_rho_and_no_interval():
    (found,) = rank_correlations(table(nats=[1, 2, 3], mse=[1, 3, 2]), ["nats"])
    assert found.rho == pytest.approx(0.5)
    assert found.tau == pytest.approx(1 / 3)
    assert math.isnan(found.low)
    assert math.isnan(found.tau_low)


def test_the_intervals_cover_the_truth_as_often_as_they_say():
    random, rho = np.random.default_rng(0), 0.6
    # Spearman's and Kendall's of a bivariate normal with Pearson's rho
    truth, pairs = 6 / math.pi * math.asin(rho / 2), 2 / math.pi * math.asin(rho)
    covered, of_pairs = 0, 0
    for _ in range(300):
        x, e = random.standard_normal((2, 40))
        (found,) = rank_correlations(table(nats=x, mse=rho * x + (1 - rho**2) ** 0.5 * e), ["nats"], level=0.9)
        covered += found.low <= truth <= found.high
        of_pairs += found.tau_low <= pairs <= found.tau_high
    assert [covered / 300, of_pairs / 300] == pytest.approx([0.9, 0.9], abs=0.05)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"trials: has no column 'nats'; it has \['mse'\]"):
        rank_correlations(table(mse=[1.0]), ["nats"])
