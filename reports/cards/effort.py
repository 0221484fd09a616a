"""How the front gives way to attackers who spend more: by their budget, their steps, and their images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Series
from reports.dominance import OBJECTIVES, Floats
from reports.front import compared, front
from reports.points import AXES, look_of, staircase
from reports.study import Study

SHARES = {"a quarter of the steps": 0.25, "half of the steps": 0.5, "all steps": 1.0}

MOST_NUMBERED = 40
"""Trials of a front up to which their numbers are written."""

ORDER = ("quick", "standard", "strong")
"""Budgets, the least first; others come last, by name."""


def by_budget(study: Study) -> dict[str, pd.DataFrame]:
    """Return the eligible trials with the least mse over attacks of at most each budget, by the budget's name.

    Attacks on a subset of the images are left out, and only trials that have attacks of every budget are compared.
    """
    attacks = study.data.attacks[study.data.attacks["mse"].notna()]
    attacks = attacks[attacks["images"].eq(attacks.groupby("trial")["images"].transform("max"))]
    budgets = sorted(set(attacks["budget"]), key=lambda name: (ORDER.index(name) if name in ORDER else 9, name))
    having = [set(attacks.loc[attacks["budget"].eq(name), "trial"]) for name in budgets]
    common = set.intersection(*having) if having else set[int]()
    if len(budgets) < 2 or len(common) < 2:
        return {}
    found = {}
    for index, name in enumerate(budgets):
        within = attacks[attacks["budget"].isin(budgets[: index + 1]) & attacks["trial"].isin(common)]
        found[f"up to {name}" if index else name] = _with_mse(study, within.groupby("trial")["mse"].min())
    return found


def by_steps(study: Study) -> dict[str, pd.DataFrame]:
    """Return the eligible trials with the mse of their deciding attack had it stopped at a share of its steps.

    What it had by then is told by its error on attacker-validation, beside its error there in the end.
    """
    own, curves = study.eligible.drop_duplicates("trial"), study.data.curves
    points = curves[curves["name"].eq("validation") & curves["trial"].isin(own["trial"])].dropna(subset=["value"])
    places = pd.Index(own["trial"]).get_indexer(points["trial"])
    jobs, names = pd.factorize(points["job"])
    deciding = pd.Index(names.astype(str)).get_indexer(own["mse_attack"].astype(str))
    kept = jobs == deciding[places]
    at, step = places[kept], points["step"].to_numpy(dtype=float)[kept]
    value = points["value"].to_numpy(dtype=float)[kept]
    if not len(at):
        return {}
    last = np.zeros(len(own))
    np.maximum.at(last, at, step)
    best, found, mse = _least(at, value, len(own)), {}, own["mse"].to_numpy(dtype=float)
    for name, share in SHARES.items():
        early = step <= (share + 1e-9) * last[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            then = pd.Series(_least(at[early], value[early], len(own)) / best * mse, index=own["trial"])
        found[name] = _with_mse(study, then[np.isfinite(then)])
    return found if min(len(rows) for rows in found.values()) > 1 else {}


def _least(places: NDArray[np.int64], values: Floats, count: int) -> Floats:
    """Return the least of the values at each of ``count`` places, ``(count,)``; infinity where there is none."""
    found = np.full(count, np.inf)
    np.minimum.at(found, places, values)
    return found


def by_images(study: Study) -> dict[str, pd.DataFrame]:
    """Return the eligible trials with the worst mse over attackers of each number of images, members last."""
    rows = study.data.levels
    if rows.empty:
        return {}
    members = rows["level"].astype(str).str.startswith("members")
    groups = rows[rows["attacker_images"].notna()].groupby([members, "attacker_images"])
    found = {
        f"{int(images):,} of the training images" if held else f"{int(images):,} images": _with_mse(
            study, own.groupby("trial")["mse"].min()
        )
        for (held, images), own in groups
    }
    return found if len(found) > 1 else {}


def effort_chart(found: Mapping[str, pd.DataFrame]) -> Chart:
    """Return a front of accuracy and mse for each attacker."""
    lines = []
    for index, (name, rows) in enumerate(found.items()):
        members = front(rows, ("accuracy", "mse")).sort_values("accuracy")
        stairs = staircase(members, "accuracy", "mse")
        look = look_of(index)
        lines.append(Series([x for x, _ in stairs], [y for _, y in stairs], look, marks=False, line=True))
        hover = [f"trial {row.trial}, {name}: {row.mse:.3g}" for row in members.itertuples()]
        x, y = members["accuracy"].tolist(), members["mse"].tolist()
        lines.append(Series(x, y, look, name=name, hover=hover, labels=_numbers(members)))
    return Chart(Axis(AXES["accuracy"]), Axis(AXES["mse"], log=True), tuple(lines), height=400)


def _numbers(members: pd.DataFrame) -> list[str]:
    """Return what is written beside the trials of a front; nothing where they stand too close."""
    return [str(trial) for trial in members["trial"]] if len(members) <= MOST_NUMBERED else []


def applicable(study: Study) -> str | None:
    """Return why there is nothing to compare."""
    if not any(study.once(found) for found in (by_budget, by_steps, by_images)):
        return "the attacks have neither several budgets, nor curves, nor several numbers of images"
    return None


def compute(study: Study) -> list[Block]:
    """Return a figure for each way to spend more."""
    told: Sequence[tuple[str, Mapping[str, pd.DataFrame], str]] = (
        ("effort-budget", study.once(by_budget), "The front over attacks of at most each budget, of trials that have "
         "all."),
        ("effort-steps", study.once(by_steps), "The front had the deciding attacks stopped earlier: fronts that still "
         "fall say that a longer attack would see more."),
        ("effort-images", study.once(by_images), "The front against attackers who hold so many images to learn from."),
    )  # fmt: skip
    note = "Accuracy against mse; a front that lies lower is less private. What falls furthest was guarded least."
    return [*(Plot(name, caption, effort_chart(rows)) for name, rows, caption in told if rows), Note(note)]


def _with_mse(study: Study, mse: "pd.Series[float]") -> pd.DataFrame:
    """Return the eligible trials that have such an mse, with it in place of their own."""
    kept = study.eligible["trial"].isin(mse.index)
    rows = compared(study.eligible)[["trial", "state", "feasible", *OBJECTIVES]][kept]
    found = rows["trial"].map(mse).to_numpy(dtype=float)
    return rows.assign(mse=found)


CARD = Card(
    name="effort",
    title="The front against the attacker's effort",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("effort-budget", "effort-steps", "effort-images"),
)
