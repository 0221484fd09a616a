"""What the study took."""

import pandas as pd

from reports.card import Block, Card, Note
from reports.formats import Table, duration
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


def compute(study: Study) -> list[Block]:
    """Return the sum in words, and the table."""
    table = cost_table(study.data)
    told = table if table.rows else Note("No time has been recorded yet.", "missing")
    return [Note(spent(study.data), "plain"), told]


def _cost_row(name: str, seconds: "pd.Series[float]") -> tuple[str, ...] | None:
    known = pd.to_numeric(seconds).dropna()
    if known.empty:
        return None
    return (name, str(len(known)), *(duration(float(value)) for value in (known.median(), known.max(), known.sum())))


CARD = Card(name="cost", title="Cost", group="The study", compute=compute)
