"""Which defenses rank better over several studies, by what each of them dominates in each study."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import confirmed
from reports.dominance import OBJECTIVES
from reports.formats import Table, defense_names, listed, number
from reports.front import compared, eligible, hypervolume
from reports.statistics import Ranks, ranks
from reports.unlike import Named

STUDIES = 3
"""Over which ranks are told, at least."""


class Ranking(NamedTuple):
    """Ranks of defenses over studies, or why there are none."""

    found: Ranks | None
    scores: pd.DataFrame
    """Hypervolume by study and defense."""
    of: str
    """Of which numbers, in words."""
    why: str | None


def ranking(studies: Sequence[Named]) -> Ranking:
    """Return the ranks of the defenses that all studies have, by the hypervolume of each defense's trials against its
    study's own reference: what is confirmed if all studies have confirmed all of them, else what was searched.
    """
    whole = [_volumes(_confirmed_points(each), each) for each in studies]
    names = [set(_names(each.data.trials)) for each in studies]
    common = [name for name in dict.fromkeys(_names(studies[0].data.trials)) if all(name in each for each in names)]
    sure = bool(common) and all(set(common) <= each.keys() for each in whole)
    found = whole if sure else [_volumes(_searched_points(each), each) for each in studies]
    rows = [{name: volumes.get(name, 0.0) for name in common} for volumes in found]
    scores = pd.DataFrame(rows, index=[each.name for each in studies], columns=common)
    of = "confirmed means" if sure else "searched trials"
    if len(studies) < STUDIES:
        why = f"Ranks are told over {STUDIES} studies or more; here are {len(studies)}."
        return Ranking(None, scores, of, why)
    if len(common) < 2:
        return Ranking(None, scores, of, "Ranks need two defenses or more that all studies have.")
    return Ranking(ranks(scores), scores, of, None)


def ranks_table(found: Ranking) -> Table:
    """Return each defense's mean rank and its hypervolume in each study."""
    if found.found is None:
        return Table("", (), [])
    rows = [
        (str(name), f"{mean:.2f}", *(number(float(value)) for value in found.scores[name]))
        for name, mean in found.found.mean.items()
    ]
    studies = tuple(map(str, found.scores.index))
    return Table(
        f"Mean rank over studies, 1 the best, by the hypervolume that each defense's {found.of} dominate, given by "
        "study against the study's own reference.",
        ("defense", "mean rank", *studies),
        rows,
        frozenset({"mean rank", *studies}),
    )


def ranks_words(found: Ranking) -> list[str]:
    """Return what the ranks decide."""
    if found.found is None:
        return [found.why or ""]
    told, best = found.found, str(found.found.mean.index[0])
    beaten = [str(name) for name, mean in told.mean.items() if mean - told.mean.iloc[0] > told.critical_difference]
    said = [
        f"Over {told.studies} studies {best} ranks best; beyond chance before {listed(beaten)}."
        if beaten
        else f"Over {told.studies} studies {best} ranks best, but chance alone may have put it there."
    ]
    if np.isfinite(told.p):
        said.append(f"That all defenses are alike: p = {told.p:.3f} (Friedman).")
    said.append(
        f"Mean ranks differ beyond chance (Nemenyi, 5 % for all pairs) by more than {told.critical_difference:.2f}; "
        "bars join what nobody can tell apart."
    )
    return said


def _names(trials: pd.DataFrame) -> list[str]:
    return [str(name) for name in defense_names(trials)]


def _volumes(points: pd.DataFrame, study: Named) -> dict[str, float]:
    """Return the hypervolume of each defense's points."""
    at = study.data.study["hypervolume_reference"]
    return {str(name): hypervolume(rows, at) for name, rows in points.groupby(pd.Series(_names(points), points.index))}


def _searched_points(study: Named) -> pd.DataFrame:
    """Return the trials that may be on a front, as fronts compare them."""
    trials = study.data.trials
    return compared(trials)[eligible(trials)]


def _confirmed_points(study: Named) -> pd.DataFrame:
    """Return the confirmed candidates that reach the floor; no rows if nothing is confirmed."""
    if confirmed.applicable(study.data) is not None:
        return pd.DataFrame(columns=["defense/name", *OBJECTIVES])
    rows = confirmed.candidates_of(study.data).dropna(subset=list(OBJECTIVES))
    return rows[rows["accuracy"] >= (study.data.study["floor"] or 0.0)]
