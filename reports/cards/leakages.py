"""Leakages other than reconstruction: each probe with its threat model and a table of its own, never an objective."""

from typing import NamedTuple

import pandas as pd

from reports.attack_tables import KNOWLEDGE
from reports.card import Block, Card, Note, Part
from reports.curves import shown_trials
from reports.formats import Table, defense_names, duration, measure, number
from reports.study import Study
from reports.tables import AttackInfo, StudyData, by_job


class Leakage(NamedTuple):
    """What a probe measured on the front's trials and the anchors."""

    attack: str
    info: AttackInfo | None
    """What it says of itself; null for a plug-in."""
    table: Table


def leakages(data: StudyData) -> list[Leakage]:
    """Return every probe that ran, by name; without a row where it ran on none of the trials that a report shows."""
    trials = shown_trials(data.trials)
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    told = data.study.get("attacks", {})
    groups = data.probes.groupby("attack", sort=True) if len(data.probes) else ()
    return [Leakage(str(name), told.get(str(name)), _table(rows, names)) for name, rows in groups]


def _table(probes: pd.DataFrame, names: dict[int, str]) -> Table:
    """Return one row per job, with a column for each score in the order in which the probe names them."""
    shown = probes[probes["trial"].isin(names)].sort_values(["trial", "job"], kind="stable")
    scores = list(dict.fromkeys(shown["name"].dropna()))
    values: dict[tuple[int, str], dict[str, object]] = {}
    for row in shown.to_dict("records"):
        values.setdefault((row["trial"], row["job"]), {}).setdefault(row["name"], row["value"])
    rows = [
        (
            number(trial),
            names[trial],
            str(job),
            str(row["verdict"]),
            *(measure(values[trial, job].get(score), score) for score in scores),
            number(row["images"]),
            duration(row["seconds"]),
        )
        for (trial, job), row in by_job(shown).items()
    ]
    headers = tuple(score.replace("_", " ") for score in scores)
    caption = "Scores on the front's trials and the anchors."
    numeric = frozenset({"trial", *headers, "images", "time"})
    return Table(
        caption, ("trial", "defense", "job", "verdict", *headers, "images", "time"), rows, numeric, frozenset({"job"})
    )


def applicable(study: Study) -> str | None:
    """Return why there is nothing to show."""
    return None if len(study.data.probes) else "the study has no probe"


def compute(study: Study) -> list[Block]:
    """Return every probe with its threat model."""
    told = (
        "What else the system tells, beyond reconstruction from a release. These probes are no objectives: nothing was "
        "selected by them."
    )
    return [Note(told, "plain"), *(_part(leakage) for leakage in leakages(study.data))]


def _part(leakage: Leakage) -> Part:
    info, missing = leakage.info, "It ran on none of the front's trials and the anchors: see probes.csv."
    table = leakage.table if leakage.table.rows else Note(missing, "missing")
    if info is None:
        return Part(leakage.attack, [table])
    knows = KNOWLEDGE.get(info["knowledge"], info["knowledge"])
    told = f"Knows: {knows}. Pays: {info['cost']}. After {info['reference']}"
    return Part(leakage.attack, [Note(info["threat"], "plain"), Note(told), table])


CARD = Card(name="leakages", title="Other leakages", group="Attacks", compute=compute, applicable=applicable)
