"""What each confirmed defense buys over an undefended network that is no less accurate, and what decides it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.dominance import DIRECTIONS
from reports.formats import MISSING, Table, counted, defense_names, is_missing, listed, number
from reports.statistics import ROPE, complete_runs, differences
from reports.tables import StudyData

PRIVACY = ("mse", "ssim")

MOST = 3
"""Defended candidates whose gain is told in a sentence of its own."""


def gains(data: StudyData, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per defended candidate and objective: how it differs from the undefended one beside it at equal
    seeds, as `reports.statistics.differences` says, whose columns these are; ``second`` is the undefended one.

    That is the most private undefended candidate, by mse, that is no less accurate but for half a point. Candidates
    that have none are left out.
    """
    names, runs = defense_names(rows), complete_runs(data.confirmed)
    undefended = rows[names.eq("none") & rows["mse"].notna()]
    pairs = []
    for row in rows[names.ne("none") & rows["mse"].notna()].to_dict("records"):
        able = undefended[undefended["accuracy"] >= row["accuracy"] - ROPE["accuracy"]]
        if len(able):
            pairs.append((row["trial"], able.loc[able["mse"].idxmax(), "trial"]))
    return differences(runs, pairs)


def gains_table(rows: pd.DataFrame, found: pd.DataFrame) -> Table:
    """Return what each defended candidate buys, a row each.

    Args:
        rows: The candidates.
        found: What ``gains`` returned of them.
    """
    names = dict(zip(rows["trial"], defense_names(rows), strict=True))
    cells = []
    for (first, second), group in found.groupby(["first", "second"], sort=False):
        told = {row["objective"]: row for row in group.to_dict("records")}
        scores = [cell for name in DIRECTIONS for cell in (difference_cell(told[name]), str(told[name]["verdict"]))]
        cells.append((number(first), names[first], number(second), *scores, seeds_cell(group)))
    headers = tuple(cell for name in DIRECTIONS for cell in (f"{name}, better by", f"{name}: it is"))
    return Table(
        "Each defended candidate beside the most private undefended one that is no less accurate, at equal seeds: mean "
        "difference with its interval of 95 %. Better and worse hold for all comparisons together but for 5 % (Holm); "
        f"equivalent: within {ROPE['accuracy'] * 100:g} points of accuracy or {ROPE['ssim']:g} of ssim.",
        ("trial", "defense", "beside", *headers, "more seeds to decide"),
        cells,
        frozenset({"trial", "beside"}),
        whole=frozenset(f"{name}, better by" for name in DIRECTIONS),
    )


def gains_words(rows: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Return what is decided of privacy, and what is not, in sentences."""
    names = dict(zip(rows["trial"], defense_names(rows), strict=True))
    private = found[found["objective"].isin(PRIVACY)]
    by_trial = {trial: set(group["verdict"]) for trial, group in private.groupby("first", sort=False)}
    better = [trial for trial, verdicts in by_trial.items() if "better" in verdicts and "worse" not in verdicts]
    open_ = [trial for trial, verdicts in by_trial.items() if verdicts <= {"undecided", "equivalent"}]
    better.sort(key=lambda trial: -_ratio(found[found["first"].eq(trial)], rows))
    best = [_best(found[found["first"].eq(trial)], names, rows) for trial in better]
    unmatched = [trial for trial, name in names.items() if name != "none" and trial not in by_trial]
    more = private[private["first"].isin(open_)]["more_seeds"].max() if open_ else np.nan
    needed = f"; {counted(int(more), 'more seed')} for each would decide most of it" if more > 0 else ""
    way = f"{needed} (`invfront confirm --seeds N`)" if needed else ""
    return [
        *best[:MOST],
        *([f"Likewise, by less: {listed([f'{t} ({names[t]})' for t in better[MOST:]])}."] if len(best) > MOST else []),
        *([f"Not decided beside it: {listed([f'{t} ({names[t]})' for t in open_])}{way}."] if open_ else []),
        *([f"No confirmed undefended network is as accurate as {listed(unmatched)}."] if unmatched else []),
    ]


def _best(group: pd.DataFrame, names: Mapping[int, str], rows: pd.DataFrame) -> str:
    """Return what a candidate brings beside an undefended one that is no less accurate, in a sentence."""
    told = {row["objective"]: row for row in group.to_dict("records")}
    first, second = int(group["first"].iloc[0]), int(group["second"].iloc[0])
    over = f"that of the most private undefended network that is no less accurate (trial {second})"
    parts = [f"its mse is {_ratio(group, rows):.2f} times {over}"] if told["mse"]["verdict"] == "better" else []
    if told["ssim"]["verdict"] == "better":
        beside = "" if parts else f" than {over}"
        parts.append(f"its ssim {number(float(told['ssim']['difference']), 'ssim')} lower{beside}")
    lost = -100 * float(told["accuracy"]["difference"])
    price = "" if told["accuracy"]["verdict"] != "worse" else f", for {lost:.1f} points of accuracy"
    return f"{names[first]} (trial {first}): {listed(parts)}{price}."


def _ratio(group: pd.DataFrame, rows: pd.DataFrame) -> float:
    """Return how many times as large the mse of the first is as the second's."""
    means = rows.set_index("trial")["mse"]
    return float(means[group["first"].iloc[0]] / means[group["second"].iloc[0]])


def difference_cell(row: dict[str, object]) -> str:
    """Return a difference with the ends of its interval."""
    name = str(row["objective"])
    if is_missing(row["difference"]):
        return MISSING
    ends = "" if is_missing(row["low"]) else f" [{number(row['low'], name)}, {number(row['high'], name)}]"
    return f"{number(row['difference'], name)}{ends}"


def seeds_cell(group: pd.DataFrame) -> str:
    """Return how many more seeds decide mse and ssim, where they are not decided."""
    told = group[group["objective"].isin(PRIVACY) & group["verdict"].eq("undecided")]
    if told.empty:
        return MISSING
    return "unknown" if told["more_seeds"].isna().any() else number(int(told["more_seeds"].max()))
