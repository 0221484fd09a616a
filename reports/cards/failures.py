"""What did not end as it should, with its error."""

import pandas as pd

from reports.card import Block, Card, Note
from reports.formats import MISSING, Table, defense_names, number
from reports.study import Study
from reports.tables import StudyData

ENDED = ("trial", "job", "verdict", "error")
"""Columns that attacks and probes share, and that a failure is told by."""


def failures_table(data: StudyData) -> Table:
    """Return the trials, attacks and probes that did not end as they should, with their errors."""
    broken = data.trials[data.trials["state"].isin(["failed", "partial", "pruned"])]
    rows: list[tuple[str, ...]] = [
        (number(row["trial"]), "trial", str(row["state"]), name, number(row["error"]))
        for row, name in zip(broken.to_dict("records"), defense_names(broken), strict=True)
    ]
    parts = (data.attacks[[*ENDED]], data.beside[[*ENDED]], data.probes[[*ENDED]].drop_duplicates(["trial", "job"]))
    jobs = pd.concat([part for part in parts if len(part)] or [data.attacks[[*ENDED]]])
    failed = jobs[jobs["verdict"].isin(["failed", "diverged"])]
    trials = data.trials[data.trials["trial"].isin(failed["trial"])]
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    rows += [
        (
            number(row["trial"]),
            str(row["job"]),
            str(row["verdict"]),
            names.get(row["trial"], MISSING),
            number(row["error"]),
        )
        for row in failed.to_dict("records")
    ]
    headers = ("trial", "what", "how it ended", "defense", "error")
    return Table("Trials, attacks and probes that failed.", headers, rows, frozenset({"trial"}))


def compute(study: Study) -> list[Block]:
    """Return the table, or that nothing failed."""
    table = failures_table(study.data)
    none = "Nothing has failed." if len(study.data.trials) else "Nothing has run yet, so nothing has failed."
    return [table if table.rows else Note(none, "missing")]


CARD = Card(name="failures", title="Failures", group="The study", compute=compute)
