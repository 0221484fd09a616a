"""What the study took, and what its clients cost a device."""

from typing import Any

import pandas as pd

from reports.card import Block, Card, Note
from reports.formats import MISSING, Table, defense_names, duration, listed, number
from reports.study import Study
from reports.tables import StudyData
from reports.words import spent


def cost_table(data: StudyData) -> Table:
    """Return the seconds of trials, of their training where it is known, and of each attack."""
    stages = {"trial, attacks included": data.trials["seconds"]}
    if "train_seconds" in data.trials:
        stages["training"] = data.trials["train_seconds"]
    for kind, jobs in (
        ("attack", data.attacks),
        ("at other levels, attack", data.beside),
        ("probe", data.probes.drop_duplicates(["trial", "job"])),
    ):
        if len(jobs):
            groups = jobs.groupby(["attack", "budget"])
            stages |= {f"{kind} {attack}, {budget}": rows["seconds"] for (attack, budget), rows in groups}
    rows = [row for name, seconds in stages.items() if (row := _cost_row(name, seconds))]
    headers = ("stage", "n", "median", "longest", "sum")
    return Table("Time by stage; attacks of a trial may run side by side.", headers, rows, frozenset(headers[1:]))


CLIENT = ("client_multiplications", "client_parameters")
CUTS = ("model/name", "model/cut", "model/bottleneck", "model/width")
"""Settings that make a client what it is; what a defense prunes of it comes on top."""


def client_table(trials: pd.DataFrame) -> Table | None:
    """Return what clients cost a device, alike ones in one row, beside the first undefended trial's; null if unknown.

    Args:
        trials: All of a study, one row each.
    """
    if not {*CLIENT} <= {*trials.columns}:
        return None
    known = trials[trials[[*CLIENT]].notna().all(axis=1)].astype(dict.fromkeys(CLIENT, float))
    if known.empty:
        return None
    paths = [path for path in CUTS if path in known and known[path].nunique() > 1]
    own = known.assign(defense=defense_names(known)).groupby(["defense", *paths], sort=False)[[*CLIENT]]
    alike: dict[tuple[object, ...], list[str]] = {}
    for key, costs in own:
        name, *where = key
        ends = ((costs[column].min(), costs[column].max()) for column in CLIENT)
        alike.setdefault((*where, *ends), []).append(str(name))
    first = known[known["defense/name"].eq("none")].head(1)
    beside = [float(first[column].iloc[0]) if len(first) else None for column in CLIENT]
    rows = [
        (
            listed(names, 6),
            *(number(value) for value in key[: len(paths)]),
            *(cell for ends, one in zip(key[len(paths) :], beside, strict=True) for cell in _beside(ends, one)),
        )
        for key, names in alike.items()
    ]
    headers = ("defense", *paths, "multiply-adds", "relative", "parameters", "parameters, relative")
    caption = (
        "What a client computes for one image and what it stores, without channels that its defense has pruned; "
        "relative to the first undefended trial."
    )
    return Table(caption, headers, rows, frozenset(headers[1 + len(paths) :]))


def _beside(ends: Any, one: float | None) -> tuple[str, str]:
    """Return a range of costs, and as multiples of one."""
    times = MISSING if one is None else _range(*(f"{end / one:.2f}" for end in ends))
    return _range(*(f"{end:,.0f}" for end in ends)), times


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def compute(study: Study) -> list[Block]:
    """Return the sum in words, and the tables."""
    table, clients = cost_table(study.data), client_table(study.data.trials)
    told = table if table.rows else Note("No time has been recorded yet.", "missing")
    return [Note(spent(study.data), "plain"), told, *([clients] if clients else [])]


def _cost_row(name: str, seconds: "pd.Series[float]") -> tuple[str, ...] | None:
    known = pd.to_numeric(seconds).dropna()
    if known.empty:
        return None
    return (name, str(len(known)), *(duration(float(value)) for value in (known.median(), known.max(), known.sum())))


CARD = Card(name="cost", title="Cost", group="The study", compute=compute)
