"""The non-dominated trials and the undefended anchors, one by one: settings, objectives, who decided them."""

import math

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
from reports.tables import StudyData

Row = dict[str, object]


def front_table(data: StudyData) -> Table:
    """Return the non-dominated trials and the undefended anchors: settings, objectives, deciding attacks, verdicts."""
    rows = front_and_anchors(data.trials)
    standing = kinds(data.trials).loc[rows.index]
    paths, lacks = varying_settings(data.trials), lacking(data)
    return Table(
        "Trials that nothing dominates, and undefended anchors. ± is the standard error over the scored images; it "
        "says nothing of the spread over seeds. ↓ marks what an attack decided that a better one may outdo by 5 % or "
        "more (how far, beside it), or a guess beside which no attack works; ≠ a trial that lacks an attack which "
        "another complete one has.",
        ("trial", "defense", "settings", "accuracy ↑", "mse ↑", "ssim ↓", "decided by", "standing"),
        [
            _front_row(data, row, name, kind, paths, unequal=row["trial"] in lacks)
            for row, name, kind in zip(rows.to_dict("records"), defense_names(rows), standing, strict=True)
        ],
        frozenset({"trial", "accuracy ↑", "mse ↑", "ssim ↓"}),
        frozenset({"decided by", "mse ↑"}),
    )


def front_and_anchors(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the non-dominated trials and the undefended anchors, the most accurate first."""
    shown = kinds(trials).eq("front") | (undefended(trials) & trials["anchor"].eq(True) & trials["accuracy"].notna())
    return trials[shown].sort_values("accuracy", ascending=False, kind="stable")


def _front_row(data: StudyData, row: Row, name: str, kind: str, paths: list[str], *, unequal: bool) -> tuple[str, ...]:
    errors = {"accuracy": accuracy_error(data, row), **_attack_errors(data, row)}
    scores = [with_error(float(str(row[score])), errors.get(score), score) for score in DIRECTIONS]
    if reach := could_reach(row):
        scores[1] += "\n" + reach.replace("attacker ", "attacker\n")
    standing = [kind, *(["undefended anchor"] if name == "none" and row["anchor"] else [])]
    trial = f"{row['trial']}{' ↓' if row['limited'] is True else ''}{' ≠' if unequal else ''}"
    return (trial, name, briefly(row, paths), *scores, _decisions(data, row), ", ".join(standing))


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


def _attack_errors(data: StudyData, row: Row) -> dict[str, float | None]:
    """Return the standard errors over images of the objectives, where they are known."""
    return {score: known(row.get(f"{score}_se")) or _attack_error(data, row, score) for score in ("mse", "ssim")}


def _attack_error(data: StudyData, row: Row, score: str) -> float | None:
    """Return the standard error of a deciding attack's own mean: all that tables of before have."""
    if f"{score}_se" not in data.attacks or not is_missing(row.get(f"{score}_base")):
        return None
    jobs = data.attacks[data.attacks["trial"].eq(row["trial"]) & data.attacks["job"].eq(row[f"{score}_attack"])]
    return float(jobs[f"{score}_se"].iloc[0]) if len(jobs) else None


def known(value: object) -> float | None:
    """Return a number; null for a missing one."""
    return None if is_missing(value) else float(str(value))


def _decisions(data: StudyData, row: Row) -> str:
    """Return which attack decided each objective and how it ended, a line for each if they differ."""
    mse, ssim = (_decision(data, row, score) for score in ("mse", "ssim"))
    return mse if mse == ssim else f"mse: {mse}\nssim: {ssim}"


def _decision(data: StudyData, row: Row, score: str) -> str:
    job = row[f"{score}_attack"]
    if is_missing(job):
        return MISSING
    jobs = data.attacks[data.attacks["trial"].eq(row["trial"]) & data.attacks["job"].eq(job)]
    if jobs.empty:
        alone = row.get(f"{score}_verdict") == ALONE
        return f"{job}\na guess without z{', no attack works ↓' if alone else ''}"
    verdict, base = str(jobs["verdict"].iloc[0]), row.get(f"{score}_base")
    beside = "" if is_missing(base) else f"\nbeside {base}, on {number(jobs['images'].iloc[0])} images"
    return f"{job}{beside}\n{verdict}{'' if verdict in BELIEVED else ' ↓'}"


def compute(study: Study) -> list[Block]:
    """Return the table, or that there is no front, and where all trials are."""
    table = front_table(study.data)
    files = (
        "Beside this page: trials, attacks, probes, variants and front as .csv and .parquet, front.tex, and figures/ "
        "as PNG."
    )
    return [table if table.rows else Note("No trial is on the front yet.", "missing"), Note(files)]


CARD = Card(name="trials", title="Non-dominated trials", group="The search", compute=compute)
