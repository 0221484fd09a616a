"""What confirming has shown: each candidate on the test part over fresh seeds, beside what the search saw of it."""

from collections.abc import Sequence

import pandas as pd

from reports.dominance import DIRECTIONS, OBJECTIVES
from reports.formats import (
    MISSING,
    Table,
    briefly,
    counted,
    defense_names,
    is_missing,
    listed,
    number,
    varying_settings,
)
from reports.front import compared
from reports.statistics import candidates, complete_runs
from reports.tables import StudyData, settings

SURE = 0.95
"""Probability from which a candidate is said to be on the front, and under 1 - ``SURE`` not to be."""


def applicable(data: StudyData) -> str | None:
    """Return why there is nothing to show; null if there is."""
    if data.confirmed.empty:
        return "nothing is confirmed yet: `invfront confirm` trains the front again with fresh seeds"
    return None


def candidates_of(data: StudyData) -> pd.DataFrame:
    """Return ``candidates.parquet`` of a study: `reports.statistics.candidates`."""
    own = data.trials[["trial", *settings(data.trials)]]
    return candidates(data.confirmed, own, data.study["floor"])


def confirmed_table(data: StudyData, rows: pd.DataFrame) -> Table:
    """Return the candidates, the likeliest on the front first, each objective beside what the search saw.

    Args:
        data: The study.
        rows: Its candidates, as `candidates_of` returns them.
    """
    searched = compared(data.trials).set_index("trial")
    ordered = rows.sort_values("p_on_front", ascending=False, kind="stable", na_position="last")
    paths = varying_settings(data.trials[data.trials["trial"].isin(rows["trial"])])
    cells = [
        (
            number(row["trial"]),
            name,
            briefly(row, [path for path in paths if path in row]),
            number(row["seeds"]),
            number(row["p_on_front"], "share"),
            *(cell for objective in OBJECTIVES for cell in _cells(row, searched.loc[row["trial"]], objective)),
        )
        for row, name in zip(ordered.to_dict("records"), defense_names(ordered), strict=True)
    ]
    scores = [header for name in OBJECTIVES for header in (f"{name} {_arrow(name)}", f"{name}, searched")]
    return Table(
        "The confirmed trials on the test part: mean over seeds and its interval of 95 %, and the probability that "
        "nothing among them dominates the trial. Beside each, what the search saw on the validation part, by which it "
        "chose: the best of many looks better than it is.",
        ("trial", "defense", "settings", "seeds", "p(front)", *scores),
        cells,
        frozenset({"trial", "seeds", "p(front)", *scores}),
        whole=frozenset(f"{name} {_arrow(name)}" for name in OBJECTIVES),
    )


def answer_words(rows: pd.DataFrame, bought: Sequence[str] = ()) -> list[str]:
    """Return who is on the confirmed front and how sure, and what that buys.

    Args:
        rows: The candidates.
        bought: `reports.confirmed_gains.gains_words` of them.
    """
    return [*_membership(rows), *bought]


def confirmed_words(data: StudyData, rows: pd.DataFrame) -> list[str]:
    """Return how far the search was off, what failed, and how the test part was read."""
    lost = len(data.confirmed) - len(complete_runs(data.confirmed))
    return [
        *_optimism(data, rows),
        *([f"{counted(lost, 'training')} failed and count for nothing."] if lost else []),
        *(f"The test part was read by {line}." for line in data.study.get("confirms", [])),
    ]


def _membership(rows: pd.DataFrame) -> list[str]:
    known = rows[rows["p_on_front"].notna()]
    if known.empty:
        return ["Each trial has one seed so far: with a second one, intervals and probabilities can be told."]
    sure, open_, out = (
        known[mask]
        for mask in (
            known["p_on_front"] >= SURE,
            known["p_on_front"].between(1 - SURE, SURE, inclusive="left") & (known["p_on_front"] > 1 - SURE),
            known["p_on_front"] <= 1 - SURE,
        )
    )
    doubtful = [
        f"{trial} ({name}, p = {number(p, 'share')})"
        for trial, name, p in zip(open_["trial"], defense_names(open_), open_["p_on_front"], strict=True)
    ]
    return [
        *([f"On the confirmed front with 95 % or more: {_by_defense(sure)}."] if len(sure) else []),
        *([f"Undecided: {listed(doubtful)}; more seeds decide."] if doubtful else []),
        *([f"Not on it, with 95 % or more: {_by_defense(out)}."] if len(out) else []),
    ]


def _by_defense(rows: pd.DataFrame) -> str:
    """Return ``none (trials 0 and 8), laplace (trial 5)``."""
    groups = rows.groupby(defense_names(rows), sort=False)["trial"]
    return listed([f"{name} ({'trial' if len(own) == 1 else 'trials'} {listed(own.tolist())})" for name, own in groups])


def _optimism(data: StudyData, rows: pd.DataFrame) -> list[str]:
    """Say by how much the search flattered its candidates, in the mean."""
    searched = compared(data.trials).set_index("trial").reindex(rows["trial"])
    told = []
    for name, sign in DIRECTIONS.items():
        gaps = (pd.to_numeric(searched[name]).to_numpy(dtype=float) - rows[name].to_numpy(dtype=float)) * sign
        if pd.notna(gaps).any():
            gap = float(pd.Series(gaps).mean())
            told.append(f"{name} by {_size(abs(gap), name)} too {'good' if gap > 0 else 'bad'}")
    return [f"In the mean over the candidates the search saw {listed(told)}."] if told else []


def _size(gap: float, name: str) -> str:
    return f"{100 * gap:.1f} points" if name == "accuracy" else number(gap, name)


def _cells(row: dict[str, object], searched: "pd.Series[object]", name: str) -> tuple[str, str]:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    ends = "" if is_missing(low) else f" [{number(low, name)}, {number(high, name)}]"
    value = MISSING if is_missing(row[name]) else f"{number(row[name], name)}{ends}"
    return value, number(searched[name], name)


def _arrow(name: str) -> str:
    return "↑" if DIRECTIONS[name] > 0 else "↓"
