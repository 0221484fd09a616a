"""Whether the trials of a study were attacked alike: later attacks may have run on some of them only."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from reports.formats import is_missing, number
from reports.tables import StudyData


def lacking(data: StudyData) -> dict[int, list[str]]:
    """Return which attacks each complete trial lacks that another one has, ``attack:budget``; none where it lacks none.

    An attack that failed is one that the trial lacks. Seeds are not told apart.
    """
    complete = data.trials.loc[data.trials["state"].eq("complete"), "trial"].sort_values()
    ended = data.attacks[data.attacks["verdict"].ne("failed") & data.attacks["trial"].isin(complete)]
    named = ended[[name for name in ("attack", "budget", "tune") if name in ended]]
    kinds = named.drop_duplicates()
    words = sorted({_job(row) for row in kinds.to_dict("records")})
    if not words:
        return {}
    places = [words.index(_job(row)) for row in kinds.to_dict("records")]
    of_kind = kinds.assign(place=places).merge(named, how="right", on=[*named.columns])["place"].to_numpy()
    has = np.zeros((len(complete), len(words)), dtype=bool)
    has[pd.Index(complete).get_indexer(ended["trial"]), of_kind] = True
    missing = np.flatnonzero(~has.all(axis=1))
    return {int(complete.iloc[at]): [words[word] for word in np.flatnonzero(~has[at])] for at in missing}


def _job(row: dict[Hashable, object]) -> str:
    tuned = row.get("tune")
    name = f"{row['attack']}:{row['budget']}"
    return name if is_missing(tuned) or not tuned else f"{name} tuned over {number(tuned)}"
