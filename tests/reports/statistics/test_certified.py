"""What no attack can beat: closed forms, monotony, and exhaustive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.statistics import blind, least_error, most_recovered

SPECTRUM = 1 / np.arange(1, 200) ** 1.5


@pytest.mark.parametrize("nats", [0.0, 0.5, 3.0])
def test_equal_components_share_the_information(nats):
    assert least_error(np.full(8, 0.25), nats, 8) == pytest.approx(0.25 * np.exp(-2 * nats / 8))


@given(st.floats(0, 400))
@settings(max_examples=30, deadline=None)
def test_the_least_error_is_where_the_rates_of_its_components_add_up(nats):
    found = least_error(SPECTRUM, nats, 300)
    low, high = 1e-30, float(SPECTRUM.max())
    for _ in range(200):  # the water by bisection
        level = np.sqrt(low * high)
        spent = 0.5 * np.log(np.maximum(SPECTRUM / level, 1)).sum()
        low, high = (level, high) if spent > nats else (low, level)
    assert found == pytest.approx(np.minimum(SPECTRUM, high).sum() / 300, rel=1e-6)


def test_a_blind_guess_is_no_likelier_than_it_is():
    rng = np.random.default_rng(0)
    spectrum = np.array([0.5, 0.2, 0.1])
    errors = (rng.normal(size=(200_000, 3)) ** 2 * spectrum).sum(1) / 4
    for error in (0.01, 0.05, 0.15):
        assert np.exp(-blind(spectrum, error, 4)) >= (errors <= error).mean()
    assert blind(spectrum, 0.3, 4) == 0


@given(st.floats(0.1, 60), st.floats(0, 60))
@settings(max_examples=30, deadline=None)
def test_the_share_is_the_greatest_whose_divergence_the_nats_allow(blind_nats, nats):
    share = most_recovered(blind_nats, nats)
    if nats >= blind_nats:
        assert share == 1
        return
    shares = np.linspace(0, 1, 200_001)[1:-1]
    shares = shares[shares > np.exp(-blind_nats)]
    other = np.log1p(-np.exp(-blind_nats))
    divergence = shares * (np.log(shares) + blind_nats) + (1 - shares) * (np.log1p(-shares) - other)
    allowed = shares[divergence <= nats]
    assert share == pytest.approx(allowed.max() if len(allowed) else np.exp(-blind_nats), abs=2e-5)
    assert most_recovered(blind_nats, nats + 1) >= share
