"""The non-dominated trials and the undefended anchors, one by one: settings, objectives, who decided them."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from reports.card import Block, Card, Note
from reports.columns import ALONE, BELIEVED
from reports.dominance import DIRECTIONS
from reports.formats import (
    MISSING,
    Table,
    briefly,
    could_reach,
    defense_names,
    is_missing,
    number,
    varying_settings,
    with_error,
)
from reports.points import kinds, undefended
from reports.study import Study
from reports.suites import lacking
from reports.tables import StudyData, by_job

Row = dict[str, object]

Jobs = Mapping[tuple[int, str], Mapping[Hashable, Any]]
"""Attacks by trial and job."""


def front_table(data: StudyData) -> Table:
    """Return the non-dominated trials and the undefended anchors: settings, objectives, deciding attacks, verdicts."""
    rows = front_and_anchors(data.trials)
    standing = kinds(data.trials).loc[rows.index]
    paths, lacks = varying_settings(data.trials), lacking(data)
    jobs = by_job(data.attacks[data.attacks["trial"].isin(rows["trial"])])
    return Table(
        "Trials that nothing dominates, and undefended anchors. ± is the standard error over the scored images; it "
        "says nothing of the spread over seeds. ↓ marks what an attack decided that a better one may outdo by 5 % or "
        "more (how far, beside it), or a guess beside which no attack works; ≠ a trial that lacks an attack which "
        "another complete one has.",
        ("trial", "defense", "settings", "accuracy ↑", "mse ↑", "ssim ↓", "decided by", "standing"),
        [
            _front_row(data, jobs, row, name, kind, paths, unequal=row["trial"] in lacks)
            for row, name, kind in zip(rows.to_dict("records"), defense_names(rows), standing, strict=True)
        ],
        frozenset({"trial", "accuracy ↑", "mse ↑", "ssim ↓"}),
        frozenset({"decided by", "mse ↑"}),
    )


def front_and_anchors(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the non-dominated trials and the undefended anchors, the most accurate first."""
    shown = kinds(trials).eq("front") | (undefended(trials) & trials["anchor"].eq(True) & trials["accuracy"].notna())
    return trials[shown].sort_values("accuracy", ascending=False, kind="stable")


def _front_row(
    data: StudyData, jobs: Jobs, row: Row, name: str, kind: str, paths: list[str], *, unequal: bool
) -> tuple[str, ...]:
    errors = {"accuracy": accuracy_error(data, row), **_attack_errors(jobs, row)}
    scores = [with_error(float(str(row[score])), errors.get(score), score) for score in DIRECTIONS]
    if reach := could_reach(row):
        scores[1] += "\n" + reach.replace("attacker ", "attacker\n")
    standing = [kind, *(["undefended anchor"] if name == "none" and row["anchor"] else [])]
    trial = f"{row['trial']}{' ↓' if row['limited'] is True else ''}{' ≠' if unequal else ''}"
    return (trial, name, briefly(row, paths), *scores, _decisions(jobs, row), ", ".join(standing))


def accuracy_error(data: StudyData, row: Row) -> float | None:
    """Return the binomial standard error of a trial's accuracy, if the number of its images is known.

    With one image more that is right and one that is wrong (Laplace's rule), so that none or all of few prove nothing.
    """
    part = data.study["parts"].get("test" if data.study["protocol"] == "cem" else str(row["part"]))
    accuracy = float(str(row["accuracy"]))
    if not part or not 0 <= accuracy <= 1:
        return None
    count = part["images"] + 2
    share = (accuracy * part["images"] + 1) / count
    return math.sqrt(share * (1 - share) / count)


def _attack_errors(jobs: Jobs, row: Row) -> dict[str, float | None]:
    """Return the standard errors over images of the objectives, where they are known."""
    return {score: known(row.get(f"{score}_se")) or _attack_error(jobs, row, score) for score in ("mse", "ssim")}


def _attack_error(jobs: Jobs, row: Row, score: str) -> float | None:
    """Return the standard error of a deciding attack's own mean: all that tables of before have."""
    job = _deciding(jobs, row, score)
    if job is None or not is_missing(row.get(f"{score}_base")):
        return None
    return known(job.get(f"{score}_se"))


def _deciding(jobs: Jobs, row: Row, score: str) -> Mapping[Hashable, Any] | None:
    """Return the attack that decided an objective; null where a guess did."""
    return jobs.get((int(str(row["trial"])), str(row[f"{score}_attack"])))


def known(value: object) -> float | None:
    """Return a number; null for a missing one."""
    return None if is_missing(value) else float(str(value))


def _decisions(jobs: Jobs, row: Row) -> str:
    """Return which attack decided each objective and how it ended, a line for each if they differ."""
    mse, ssim = (_decision(jobs, row, score) for score in ("mse", "ssim"))
    return mse if mse == ssim else f"mse: {mse}\nssim: {ssim}"


def _decision(jobs: Jobs, row: Row, score: str) -> str:
    job = row[f"{score}_attack"]
    if is_missing(job):
        return MISSING
    deciding = _deciding(jobs, row, score)
    if deciding is None:
        alone = row.get(f"{score}_verdict") == ALONE
        return f"{job}\na guess without z{', no attack works ↓' if alone else ''}"
    verdict, base = str(deciding["verdict"]), row.get(f"{score}_base")
    beside = "" if is_missing(base) else f"\nbeside {base}, on {number(deciding['images'])} images"
    return f"{job}{beside}\n{verdict}{'' if verdict in BELIEVED else ' ↓'}"


def compute(study: Study) -> list[Block]:
    """Return the table, or that there is no front, and where all trials are."""
    table = front_table(study.data)
    files = (
        "Beside this page: trials, attacks, probes, variants and front as .csv and .parquet, front.tex and front.md, "
        "every table of the page in tables/, and the figures as PNG and PDF in figures/."
    )
    return [table if table.rows else Note("No trial is on the front yet.", "missing"), Note(files)]


CARD = Card(name="trials", title="Non-dominated trials", group="The search", compute=compute)
