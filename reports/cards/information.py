"""Whether measures of information say how well images are inverted: ranks of trials by the one and by the other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.card import Block, Card, Note, Plot, Words
from reports.chart import PLAIN, Axis, Chart, Level, Series
from reports.formats import MISSING, Table, counted, is_missing, listed
from reports.statistics import RankCorrelation, rank_correlations
from reports.study import Study

MEASURES = {
    "class_gaussian_nats": "nats by variances",
    "covariance_nats": "nats by covariances",
    "mixture_nats": "nats by mixtures",
    "codebook_nats": "nats of a codebook",
    "fisher_per_pixel": "Fisher information",
    "robust_accuracy": "robust accuracy",
}
"""Columns of the trials that may tell of inversion, and their names on the page."""

FEWEST = 5
"""Trials of a defense from which it has a row of its own."""

WORST = "mse of the worst attack"


def measured(study: Study) -> pd.DataFrame:
    """Return the complete trials that reach the floor, with every measure that any of them has as a column."""
    rows = study.eligible
    found = {name: rows[name].astype(float) for name in MEASURES if name in rows}
    known = {name: values for name, values in found.items() if np.isfinite(values).any()}
    return pd.DataFrame({"defense": rows["trial"].map(study.names), "mse": rows["mse"].astype(float), **known})


def correlated(trials: pd.DataFrame) -> list[RankCorrelation]:
    """Return how the order of trials by each measure agrees with that by the worst attack's mse."""
    found = rank_correlations(trials, [name for name in MEASURES if name in trials])
    return [each for each in found if np.isfinite(each.rho)]


def correlation_chart(found: Sequence[RankCorrelation]) -> Chart:
    """Return each measure's rank correlation with its interval, a row each."""
    series = Series(
        [each.rho for each in found],
        [float(row) for row in range(len(found))],
        PLAIN,
        size=10,
        x_ends=([each.low for each in found], [each.high for each in found]),
        hover=[f"{MEASURES[each.measure]}: {_within(each.rho, each.low, each.high)}" for each in found],
    )
    names = tuple(MEASURES[each.measure] for each in found)
    x = Axis("rank correlation with mse", range=(-1.15, 1.15))
    nought = Level(0.0, "unrelated", upright=True)
    return Chart(x, Axis("", names=names), (series,), (nought,), 150 + 30 * len(found))


def correlation_table(found: Sequence[RankCorrelation]) -> Table:
    """Return Spearman's and Kendall's correlation of each measure."""
    rows: list[tuple[str, ...]] = [
        (
            MEASURES[each.measure],
            _within(each.rho, each.low, each.high),
            _within(each.tau, each.tau_low, each.tau_high),
            MISSING if is_missing(each.p) else f"{each.p:.2g}",
            str(each.trials),
        )
        for each in found
    ]
    headers = ("measure", "Spearman", "Kendall", "p", "trials")
    caption = (
        f"Rank correlations of each measure with the {WORST}, over complete trials that reach the floor, of all "
        "defenses; in brackets 95 %, which tells what chance there is in so many trials and no more: defenses are no "
        "random sample. p is of no association."
    )
    return Table(caption, headers, rows, frozenset(headers[1:]), whole=frozenset(headers[1:]))


def by_defense(trials: pd.DataFrame, found: Sequence[RankCorrelation]) -> Table | None:
    """Return Spearman's correlation among the trials of each defense; null if none has ``FEWEST`` of them."""
    names = [each.measure for each in found]
    rows: list[tuple[str, ...]] = []
    for defense, own in trials.groupby("defense", sort=False):
        if len(own) >= FEWEST:
            told = rank_correlations(own, names)
            cells = [MISSING if is_missing(each.rho) else f"{each.rho:.2f} ({each.trials})" for each in told]
            rows.append((str(defense), *cells))
    if not rows:
        return None
    headers = ("defense", *(MEASURES[name] for name in names))
    return Table(
        "Spearman's correlation among each defense's own trials (how many).", headers, rows, frozenset(headers[1:])
    )


def answer(found: Sequence[RankCorrelation]) -> list[str]:
    """Return in words which measures go with inversion."""
    kept = [each for each in found if not is_missing(each.low)]
    surely = sorted((each for each in kept if each.low > 0 or each.high < 0), key=lambda each: -abs(each.rho))
    if not kept:
        return ["Too few trials have both numbers for an answer."]
    if not surely:
        return [f"None of {counted(len(kept), 'measure')} is seen to go with the {WORST}: all intervals hold 0."]
    best = surely[0]
    told = [
        f"Closest to the {WORST}: {MEASURES[best.measure]}, rank correlation "
        f"{_within(best.rho, best.low, best.high)} over {counted(best.trials, 'trial')}."
    ]
    open_ = [MEASURES[each.measure] for each in kept if each not in surely]
    if open_:
        told.append(f"Of {listed(open_)} it is not seen: the interval holds 0.")
    wrong = [MEASURES[each.measure] for each in surely if each.rho > 0]
    if wrong:
        told.append(f"More of {listed(wrong)} goes with a greater error here, not with a lesser one.")
    return told


def applicable(study: Study) -> str | None:
    """Return why nothing can be said."""
    if len(study.once(measured).columns) == 2:
        return "no trial has a measure of information: records of this version have, at a noise above 0"
    return None if study.once(_over_all) else "too few trials have a measure of information and an attack's mse"


def compute(study: Study) -> list[Block]:
    """Return the answer, the figure and the tables."""
    trials, found = study.once(measured), study.once(_over_all)
    caption = (
        f"Spearman's rank correlation of each measure with the {WORST}, with 95 %. Left of 0: more of it, a lesser "
        "error."
    )
    apart = by_defense(trials, found)
    told = (
        "Nats are of I(x; z | y) by validation images: three upper bounds (by the variances of features, by "
        "covariances, by mixtures, within classes), and what of a codebook of at most 32 images of a class is told "
        "apart. Robust accuracy is of validation images that were each moved to mislead the network, by at most 2/255 "
        "(harness/stages/robustness.py): it tells of the network, not of its releases. Trials of several noise levels "
        "differ by their noise first: within a defense the same may hold or not."
    )
    return [
        Words(answer(found)),
        Plot("information", caption, correlation_chart(found)),
        correlation_table(found),
        *([apart] if apart else []),
        Note(told),
    ]


def _over_all(study: Study) -> list[RankCorrelation]:
    return correlated(study.once(measured))


def _within(value: float, low: float, high: float) -> str:
    if is_missing(value):
        return MISSING
    return f"{value:.2f}" if is_missing(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


CARD = Card(
    name="information-section",
    title="Does information predict inversion?",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("information",),
)
