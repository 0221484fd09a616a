"""What each defense buys at matched accuracy: privacy beside the undefended network that is as accurate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Level, Series
from reports.formats import MISSING, Table, defense_names, is_missing, number
from reports.points import look_of
from reports.statistics import complete_runs, matched
from reports.statistics.matched import UNDEFENDED
from reports.study import Study

DROPS = (0.0, 0.01, 0.02, 0.05, 0.1)
"""How much less accurate than the most accurate undefended network a defense may be."""

PRIVACY = ("mse", "ssim")


class Matched(NamedTuple):
    """What defenses gain at an accuracy."""

    drop: float
    accuracy: float
    rows: dict[str, pd.DataFrame]
    """By objective, as `reports.statistics.matched` returns them, the undefended left out."""


def gains_at(study: Study) -> list[Matched]:
    """Return what defenses gain at each accuracy at which one has a candidate."""
    candidates = study.candidates
    if candidates is None:
        return []
    names = dict(zip(candidates["trial"], defense_names(candidates), strict=True))
    plain = candidates[defense_names(candidates).eq(UNDEFENDED) & candidates["mse"].notna()]
    if plain.empty:
        return []
    runs, found = complete_runs(study.data.confirmed), []
    for drop in DROPS:
        accuracy = float(plain["accuracy"].max()) - drop
        rows = {name: matched(runs, names, accuracy, name) for name in PRIVACY}
        kept = {name: table[table["defense"].ne(UNDEFENDED) & table["gain"].notna()] for name, table in rows.items()}
        if len(kept["mse"]):
            found.append(Matched(drop, accuracy, kept))
    return found


def matched_chart(found: Sequence[Matched]) -> Chart:
    """Return the gain in mse with its intervals, a row for each defense, a mark for each accuracy."""
    names = tuple(dict.fromkeys(name for each in found for name in each.rows["mse"]["defense"]))
    series = []
    for index, each in enumerate(found):
        rows = each.rows["mse"]
        shift = (index - (len(found) - 1) / 2) * 0.8 / max(len(found), 1)
        low, high = rows["gain_low"].fillna(rows["gain"]), rows["gain_high"].fillna(rows["gain"])
        series.append(
            Series(
                rows["gain"].tolist(),
                [names.index(name) + shift for name in rows["defense"]],
                look_of(index),
                name=_at(each),
                x_ends=(low.tolist(), high.tolist()),
                hover=[
                    f"{row['defense']} {_at(each)}: mse {number(row['gain'], 'mse')} more, trials {_stood(row)}"
                    for row in rows.to_dict("records")
                ],
            )
        )
    height = 150 + 22 * len(names) * max(1, len(found) // 2)
    x = Axis("mse gained over the undefended network that is as accurate (more is better)")
    return Chart(x, Axis("", names=names), tuple(series), (Level(0.0, "no gain", upright=True),), height=height)


def matched_table(found: Sequence[Matched]) -> Table:
    """Return a row for each accuracy and defense: what it gains in mse and ssim."""
    cells = [
        (
            _at(each),
            str(row["defense"]),
            _stood(row),
            *(_gain(each.rows[name], str(row["defense"]), name) for name in PRIVACY),
            number(int(row["seeds"])),
        )
        for each in found
        for row in each.rows["mse"].to_dict("records")
    ]
    caption = (
        "What each defense gains over no defense where both reach an accuracy, but for half a point: mean over equal "
        "seeds with its interval of 95 %. Who stands for a defense is chosen on the other seeds than the one it is "
        "scored on, so that the best of many is not best by luck."
    )
    headers = ("accuracy", "defense", "trials", "mse gained", "ssim lowered by", "seeds")
    return Table(caption, headers, cells, frozenset({"seeds"}), frozenset({"mse gained", "ssim lowered by"}))


def applicable(study: Study) -> str | None:
    """Return why there is nothing to match."""
    if study.candidates is None:
        return "nothing is confirmed yet: `invfront confirm` trains the front again with fresh seeds"
    if not gains_at(study):
        return "no defense and no undefended network that are confirmed reach the same accuracy"
    return None


def compute(study: Study) -> list[Block]:
    """Return the figure and the table."""
    found = gains_at(study)
    caption = (
        "Mse gained at matched accuracy, with intervals of 95 % over seeds, for each defense that has a confirmed "
        "trial there. Right of the dotted line it protects more than no defense."
    )
    return [
        Plot("matched", caption, matched_chart(found)),
        matched_table(found),
        Note("An interval that crosses nought decides nothing: more seeds may."),
    ]


def _at(each: Matched) -> str:
    less = "as accurate as the undefended" if not each.drop else f"{100 * each.drop:g} points less"
    return f"{each.accuracy:.3f}, {less}"


def _stood(row: dict[str, object]) -> str:
    trials = row["trials"]
    return ", ".join(str(trial) for trial in trials) if isinstance(trials, tuple) else MISSING


def _gain(rows: pd.DataFrame, defense: str, name: str) -> str:
    own = rows[rows["defense"].eq(defense)].to_dict("records")
    if not own or is_missing(own[0]["gain"]):
        return MISSING
    gain, low, high = (own[0][f"gain{end}"] for end in ("", "_low", "_high"))
    ends = "" if np.isnan(low) else f" [{number(low, name)}, {number(high, name)}]"
    return f"{number(gain, name)}{ends}"


CARD = Card(
    name="matched-accuracy",
    title="Privacy at matched accuracy",
    group="The answer",
    compute=compute,
    applicable=applicable,
    pictures=("matched",),
)
