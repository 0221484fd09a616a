"""What an attacker gains who sees several independent releases of the same image."""

import re
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Series
from reports.curves import MOST, shown_trials
from reports.formats import MISSING, Table, defense_names, number
from reports.points import Look
from reports.study import Study
from reports.tables import StudyData, by_job, rows_where

SEVERAL = re.compile(r"m=(\d+)")


class Repeat(NamedTuple):
    """An attack's scores by the number of releases of each image."""

    trial: int
    job: str
    defense: str
    mse: dict[int, float]
    ssim: dict[int, float]


def repeats(data: StudyData) -> list[Repeat]:
    """Return what repeated releases tell on the front's trials and the anchors, in order."""
    trials = shown_trials(data.trials)
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    shown = data.variants[data.variants["trial"].isin(names)]
    several = rows_where(shown, (bool(SEVERAL.fullmatch(str(variant))) for variant in shown["variant"]))
    groups = several.groupby(["trial", "job"], sort=True) if len(several) else ()
    attacks = by_job(data.attacks[data.attacks["trial"].isin(several["trial"])])
    return [_repeat(attacks, rows.to_dict("list"), names[trial]) for (trial, _), rows in groups]


def most_telling(found: list[Repeat]) -> list[Repeat]:
    """Return those that a figure draws: one job per trial, that with the least final error, of so many as it can."""
    ordered = sorted(found, key=lambda repeat: (repeat.trial, repeat.mse[max(repeat.mse)]))
    return list({repeat.trial: repeat for repeat in reversed(ordered)}.values())[::-1][:MOST]


def repeats_table(found: list[Repeat]) -> Table:
    """Return the scores by the number of releases, as columns."""
    numbers = sorted({m for repeat in found for m in repeat.mse})
    rows = [
        (
            number(repeat.trial),
            repeat.defense,
            repeat.job,
            *(
                number(scores[m], name) if m in scores else MISSING
                for name, scores in (("mse", repeat.mse), ("ssim", repeat.ssim))
                for m in numbers
            ),
        )
        for repeat in found
    ]
    headers = tuple(f"{name}\nm = {m}" for name in ("mse", "ssim") for m in numbers)
    caption = "Scores from m independent releases of each image, on the front's trials and the anchors."
    return Table(
        caption, ("trial", "defense", "job", *headers), rows, frozenset({"trial", *headers}), frozenset({"job"})
    )


def _repeat(
    attacks: Mapping[tuple[int, str], Mapping[Hashable, Any]], rows: Mapping[Hashable, list[Any]], defense: str
) -> Repeat:
    trial, job = int(rows["trial"][0]), str(rows["job"][0])
    numbers = [int(str(variant).removeprefix("m=")) for variant in rows["variant"]]
    once = attacks.get((trial, job))
    scores = []
    for name in ("mse", "ssim"):
        # the job's own scores are those of one release, unless a variant says so itself
        found = {1: float(once[name])} if once else {}
        found |= {m: float(value) for m, value in zip(numbers, rows[name], strict=True)}
        scores.append(dict(sorted(found.items())))
    return Repeat(trial, job, defense, *scores)


def repeats_chart(found: list[Repeat], looks: Mapping[str, Look]) -> Chart:
    """Return an attack's error by the number of releases that it sees of each image, a line per trial."""
    lines = tuple(
        Series(
            list(repeat.mse),
            list(repeat.mse.values()),
            looks[repeat.defense],
            name=f"{repeat.trial} {repeat.defense}",
            line=True,
            hover=[
                f"trial {repeat.trial} {repeat.job}: {repeat.defense}, {m} releases: {mse:.3g}"
                for m, mse in repeat.mse.items()
            ],
        )
        for repeat in found
    )
    numbers = tuple(sorted({float(m) for repeat in found for m in repeat.mse}))
    x = Axis("independent releases of each image, m", log=True, marked=numbers)
    return Chart(x, Axis("mse (more is more private)", log=True), lines)


def applicable(study: Study) -> str | None:
    """Return why there is nothing to show."""
    return None if repeats(study.data) else "no attack was given several releases of an image"


def compute(study: Study) -> list[Block]:
    """Return what several releases are, the figure and the table."""
    found = repeats(study.data)
    chart = repeats_chart(most_telling(found), study.looks)
    told = (
        "Who sees the same image released m times, with fresh noise each time, can average the noise away. The "
        "objectives count one release."
    )
    caption = (
        "Mse of the attack from m independent releases of each image, for the front's trials and the anchors, at most "
        f"{MOST} lines."
    )
    return [
        Note(told, "plain"),
        Plot("repeated-releases", caption, chart),
        repeats_table(found),
    ]


CARD = Card(
    name="repeated",
    title="What repeated releases tell",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("repeated-releases",),
)
