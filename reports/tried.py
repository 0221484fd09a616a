"""What the search tried, as columns that the page's own views sort, filter, brush and draw."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.dominance import OBJECTIVES
from reports.formats import defense_names, is_missing, last_names, number
from reports.front import compared
from reports.points import kinds
from reports.statistics import near_front
from reports.study import Study

MOST = 2000
"""Trials listed beside the front, what is near it, the anchors and what failed."""

MOST_NEAR, MOST_FAILED = 1000, 1000
"""Trials near the front, and of those that failed, that are listed at most."""

MOST_FRONT = 5000
"""Likewise of the front itself."""

FAILED = ("failed", "partial", "pruned")


def chosen(study: Study) -> pd.DataFrame:
    """Return the trials that are listed: the front, what is near it, anchors, failures, and ``MOST`` others, of each
    kind but the anchors a number at most, evenly chosen.
    """
    trials = study.data.trials
    listed = np.array(trials["anchor"].eq(True), dtype=bool)
    left = ~listed
    for kind, most in (
        (trials["trial"].isin(study.front["trial"]), MOST_FRONT),
        (trials["state"].isin(FAILED), MOST_FAILED),
        (_near(study), MOST_NEAR),
        (pd.Series(True, index=trials.index), MOST),
    ):
        own = left & kind.to_numpy(dtype=bool)
        listed[_evenly(np.flatnonzero(own), most)] = True
        left &= ~own
    return trials[listed]


def _near(study: Study) -> "pd.Series[bool]":
    """Return which trials are near the front; of few, all are listed anyway."""
    trials, near = study.data.trials, study.eligible
    if near.empty or len(trials) <= MOST:
        return pd.Series(False, index=trials.index)
    points = compared(near)[[*OBJECTIVES]].apply(pd.to_numeric).to_numpy(dtype=float)
    return trials["trial"].isin(near.loc[near_front(points), "trial"])


def _evenly(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return so many of them, from the first to the last."""
    if len(places) <= most:
        return places
    kept: NDArray[np.int64] = places[np.linspace(0, len(places) - 1, most).round().astype(int)]
    return kept


def columns(study: Study) -> dict[str, Any]:
    """Return the listed trials by column, as JSON.

    ``trial``, ``kind`` and, as an index into ``defenses``, ``defense`` of each; each of ``objectives``, null where it
    is missing; ``settings``: those that vary, each with its ``path``, its ``name``, whether its numbers are to be drawn
    on a logarithmic axis, and its ``values``; ``of``: how many trials the study has.
    """
    trials = compared(study.once(chosen))
    names, looks = defense_names(trials), study.looks
    defenses = [name for name in looks if name in {*names.unique()}]
    paths = [path for path in study.varying if not path.endswith("/name")]
    short = last_names(paths)
    return {
        "of": len(study.data.trials),
        "trial": trials["trial"].astype(int).tolist(),
        "kind": kinds(study.data.trials).loc[trials.index].astype(str).tolist(),
        "defense": pd.Index(defenses).get_indexer(names).tolist(),
        "defenses": [
            {"name": name, "group": escape(name), "colour": looks[name].colour, "symbol": looks[name].plotly}
            for name in defenses
        ],
        "objectives": {name: _numbers(trials[name]) for name in OBJECTIVES},
        "settings": [{"path": path, "name": short[path], **_values(trials[path])} for path in paths],
    }


def _values(values: "pd.Series[Any]") -> dict[str, Any]:
    """Return a setting's values: numbers if all are, else text."""
    known = [value for value in values if not is_missing(value)]
    if known and all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in known):
        numbers = [float(value) for value in known]
        wide = min(numbers) > 0 and max(numbers) / min(numbers) > 30
        return {"log": wide, "values": _numbers(values)}
    return {"log": False, "values": [None if is_missing(value) else number(value) for value in values]}


def _numbers(values: "pd.Series[Any]") -> list[float | None]:
    found = pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in found]
