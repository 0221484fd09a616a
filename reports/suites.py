"""Whether the trials of a study were attacked alike: later attacks may have run on some of them only."""

from reports.formats import is_missing, number
from reports.tables import StudyData


def lacking(data: StudyData) -> dict[int, list[str]]:
    """Return which attacks each complete trial lacks that another one has, ``attack:budget``; none where it lacks none.

    An attack that failed is one that the trial lacks. Seeds are not told apart.
    """
    complete = set(data.trials.loc[data.trials["state"].eq("complete"), "trial"])
    jobs: dict[int, set[str]] = {int(trial): set() for trial in sorted(complete)}
    for row in data.attacks.to_dict("records"):
        if row["trial"] in complete and row["verdict"] != "failed":
            jobs[row["trial"]].add(_job(row))
    every = set[str]().union(*jobs.values())
    return {trial: sorted(every - own) for trial, own in jobs.items() if every - own}


def _job(row: dict[str, object]) -> str:
    tuned = row.get("tune")
    name = f"{row['attack']}:{row['budget']}"
    return name if is_missing(tuned) or not tuned else f"{name} tuned over {number(tuned)}"
