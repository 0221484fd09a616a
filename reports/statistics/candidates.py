"""The table of candidates: what each confirmed setting comes to, how sure that is, and whether it is on the front."""

import pandas as pd

from reports.dominance import OBJECTIVES
from reports.statistics.intervals import RANGES, interval, seed_means
from reports.statistics.membership import on_front_probability


def complete_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs whose objectives are all known."""
    return runs.dropna(subset=list(OBJECTIVES))


def candidates(runs: pd.DataFrame, settings: pd.DataFrame, floor: float | None = None) -> pd.DataFrame:
    """Return one row per candidate: ``trial, defense/name``, its other settings by path, ``seeds``, of each objective
    its mean over seeds and the ends of the interval, ``<name>, <name>_low, <name>_high``, and ``p_on_front``.

    Args:
        runs: ``trial, seed, accuracy, mse, ssim``; a run without objectives counts for nothing.
        settings: ``trial`` and a column for every setting, by its path; columns that no candidate has a value of are
            left out.
        floor: Least accuracy of whoever may be on a front, in [0, 1]; null for none.
    """
    numbers = sorted(runs["trial"].unique())
    own = settings[settings["trial"].isin(numbers)].set_index("trial").reindex(numbers)
    paths = [path for path in own.columns if path == "defense/name" or own[path].notna().any()]
    whole = complete_runs(runs)
    found = (
        own[paths]
        .reset_index()
        .assign(seeds=whole.groupby("trial")["seed"].nunique().reindex(numbers, fill_value=0).to_numpy())
    )
    for name in OBJECTIVES:
        means = seed_means(whole, name)
        known = means.index.get_level_values("trial")
        each = [interval(means[known == number].to_numpy(dtype=float), within=RANGES[name]) for number in numbers]
        found[name] = [one.value for one in each]
        found[f"{name}_low"] = [one.low for one in each]
        found[f"{name}_high"] = [one.high for one in each]
    return found.assign(p_on_front=on_front_probability(runs, floor).reindex(numbers).to_numpy(dtype=float))
