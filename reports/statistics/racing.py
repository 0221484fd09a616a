"""Who need not be trained a third time: after two seeds, whoever cannot be on the front any more.

References:
    Maron, Moore, Hoeffding races: accelerating model selection search for classification and function approximation,
    1993.
"""

from collections.abc import Collection

import pandas as pd

from reports.statistics.membership import on_front_probability

FIRST = 2
"""Seeds that everybody gets."""

ERROR = 0.05
"""Probability of being on the front under which a candidate is left out: the chance that this was wrong."""


def out_of_the_race(
    runs: pd.DataFrame, raced: Collection[int], floor: float | None = None, error: float = ERROR
) -> "pd.Series[float]":
    """Return the probability of being on the front of those that are left out, indexed by ``trial``.

    Args:
        runs: ``trial, seed, accuracy, mse, ssim`` of all candidates, at least ``FIRST`` seeds of those that race.
        raced: Who may be left out.
        floor: Least accuracy of whoever may be on a front.
        error: The error rate, in [0, 1).
    """
    probabilities = on_front_probability(runs, floor)
    racing = probabilities.index.isin([*raced])
    return probabilities[racing & (probabilities < error).to_numpy()]
