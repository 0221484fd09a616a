"""Which attack curves a report draws: those of the front's trials and of anchors, with their verdicts."""

from itertools import islice
from typing import NamedTuple

import pandas as pd

from reports.formats import defense_names
from reports.front import on_front
from reports.points import Look, look_of, looks
from reports.tables import StudyData, rows_where

MOST = 16
"""Curves drawn at most; a picture with more cannot be read."""


class Curve(NamedTuple):
    """How an attack's error on attacker-validation fell."""

    trial: int
    job: str
    defense: str
    verdict: str
    look: Look
    """By its defense; by its attack where more attacks than defenses are drawn."""
    steps: list[int]
    values: list[float]


def shown_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the front's trials and the anchors; if there are none, every trial."""
    shown = on_front(trials) | (trials["anchor"].eq(True) & trials["state"].isin(["complete", "partial"]))
    return trials[shown] if shown.any() else trials


def attack_curves(data: StudyData) -> list[Curve]:
    """Return the validation curves of the shown trials' attacks; of many, those of the attack that decided mse."""
    trials = shown_trials(data.trials)
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    jobs = data.attacks[data.attacks["trial"].isin(names)].drop_duplicates(["trial", "job"])
    jobs = jobs.sort_values(["trial", "job"])
    if len(jobs) > MOST:
        deciding = set(zip(trials["trial"], trials["mse_attack"], strict=True))
        jobs = rows_where(jobs, (pair in deciding for pair in zip(jobs["trial"], jobs["job"], strict=True)))
    drawn = looks(data.trials)
    own = data.curves[data.curves["trial"].isin(jobs["trial"]) & data.curves["name"].eq("validation")]
    told = (
        _curve(own, int(job.trial), str(job.job), names[job.trial], str(job.verdict), drawn[names[job.trial]])
        for job in jobs.itertuples()
    )
    return _by_attack([*islice((curve for curve in told if len(curve.steps) > 1), MOST)])


def _by_attack(curves: list[Curve]) -> list[Curve]:
    """Return the curves in their attacks' colours if those tell them apart better than their defenses'."""
    jobs = list(dict.fromkeys(curve.job for curve in curves))
    if len(jobs) <= len({curve.defense for curve in curves}):
        return curves
    return [curve._replace(look=look_of(jobs.index(curve.job))) for curve in curves]


def _curve(curves: pd.DataFrame, trial: int, job: str, defense: str, verdict: str, look: Look) -> Curve:
    rows = curves[curves["trial"].eq(trial) & curves["job"].eq(job)]
    rows = rows[pd.to_numeric(rows["value"]).notna()].sort_values("step")
    steps, values = [int(step) for step in rows["step"]], [float(value) for value in rows["value"]]
    return Curve(trial, job, defense, verdict, look, steps, values)
