"""What a trial leaks by what the attacker holds: the worst case against the number of the attacker's images."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Series
from reports.curves import MOST, shown_trials
from reports.formats import MISSING, Table, defense_names, is_missing, number, with_error
from reports.points import Look
from reports.study import Study
from reports.tables import StudyData, by_job

WORST = "the worst of them"
"""What stands for the worst case over all attacks, in place of an attack."""

DEVIATIONS = 1.645
"""Standard errors to each side that an interval of 90 % has."""


class Point(NamedTuple):
    """A score where the attacker holds some images."""

    images: int | None
    """Null if no record tells."""
    level: str | None
    """``n1000``, ``members``; null of the study's own attacker."""
    mse: float
    error: float | None
    """Standard error over images; null if it is not known."""
    attack: str

    @property
    def members(self) -> bool:
        """Whether it holds the images that the network was trained on."""
        return str(self.level).startswith("members")


class LevelCurve(NamedTuple):
    """The scores of an attack on a trial, or of the worst of its attacks, the fewest images first, members last."""

    trial: int
    defense: str
    attack: str
    points: list[Point]


def level_curves(data: StudyData) -> list[LevelCurve]:
    """Return the curves of the front's trials and the anchors: of each the worst of its attacks, then every attack."""
    trials = shown_trials(data.trials)
    names = dict(zip(trials["trial"], defense_names(trials), strict=True))
    groups = data.levels[data.levels["trial"].isin(names)].groupby("trial", sort=True) if len(data.levels) else ()
    every = pd.concat([data.attacks, data.beside]) if len(data.beside) else data.attacks
    attacks, found = by_job(every[every["trial"].isin(data.levels["trial"])]), []
    for trial, rows in groups:
        jobs = str(rows["over"].iloc[0]).split(", ")
        points = [_point(row, str(row["mse_attack"])) for row in rows.to_dict("records")]
        worst = LevelCurve(int(trial), names[trial], WORST if len(jobs) > 1 else jobs[0], points)
        found += [worst, *(_of_attack(attacks, worst, job) for job in jobs if len(jobs) > 1)]
    return found


def drawn_curves(data: StudyData, most: int = MOST) -> list[LevelCurve]:
    """Return the curves that a figure draws: those of single attacks go first where there are too many."""
    found = [curve for curve in level_curves(data) if len([p for p in curve.points if p.images is not None]) > 1]
    worst = list({curve.trial: curve for curve in reversed(found)}.values())[::-1]
    return (found if len(found) <= most else worst)[:most]


def levels_table(data: StudyData) -> Table:
    """Return mse by what the attacker holds, as columns, over all attacks and for each."""
    found = level_curves(data)
    points = sorted((each for curve in found for each in curve.points), key=lambda p: (p.members, p.images or 0))
    held = list(dict.fromkeys(map(_header, points)))
    rows = [
        (number(curve.trial), curve.defense, curve.attack, *(_cell(curve, header) for header in held))
        for curve in found
    ]
    caption = (
        "Mse by the number of images that the attacker fits on, and where it holds those that the network was trained "
        "on (members), for the front's trials and the anchors: over the attacks that a trial has at all of them, "
        "guesses left out, and by attack. ± is the standard error over the scored images; all levels see the same "
        "releases of the same images, so that a difference between levels is surer than that. The objectives are over "
        "the study's own attacker alone."
    )
    headers = ("trial", "defense", "attack", *held)
    return Table(caption, headers, rows, frozenset({"trial", *held}), frozenset({"attack"}))


def _of_attack(attacks: Mapping[tuple[int, str], Mapping[Hashable, object]], worst: LevelCurve, job: str) -> LevelCurve:
    """Return the curve of one attack at the levels of a trial's worst case."""
    points = []
    for at in worst.points:
        row = attacks[worst.trial, job if at.level is None else f"{job}-{at.level}"]
        points.append(_point({**row, "attacker_images": at.images, "level": at.level}, job))
    return worst._replace(attack=job, points=points)


def _point(row: Mapping[Hashable, object], attack: str) -> Point:
    images, level, error = row["attacker_images"], row["level"], row.get("mse_se")
    return Point(
        images=None if is_missing(images) else int(str(images)),
        level=None if is_missing(level) else str(level),
        mse=float(str(row["mse"])),
        error=None if is_missing(error) else float(str(error)),
        attack=attack,
    )


def _header(point: Point) -> str:
    count = MISSING if point.images is None else f"n = {point.images}"
    if point.members:
        return f"members\n{count}"
    return f"{count}\nthe study's own" if point.level is None else count


def _cell(curve: LevelCurve, header: str) -> str:
    found = [point for point in curve.points if _header(point) == header]
    return with_error(found[0].mse, found[0].error, "mse") if found else MISSING


def levels_chart(curves: Sequence[LevelCurve], looks: Mapping[str, Look]) -> Chart:
    """Return mse by the number of the attacker's images: of each trial the worst case, and thin its attacks; members,
    which no number of other images leads to, as a star.
    """
    series: list[Series] = []
    seen = set[int]()
    for curve in curves:
        first = curve.trial not in seen
        seen.add(curve.trial)
        known = [point for point in curve.points if point.images is not None]
        for kept in ([each for each in known if not each.members], [each for each in known if each.members]):
            if kept:
                series.append(_line(kept, curve, looks[curve.defense], first=first))
    numbers = tuple(sorted({x for each in series for x in each.x}))
    x = Axis("images that the attacker fits on", log=True, marked=numbers)
    return Chart(x, Axis("mse (more is more private)", log=True), tuple(series))


def _line(points: Sequence[Point], curve: LevelCurve, look: Look, *, first: bool) -> Series:
    members = points[0].members
    named = first and not members
    values, errors = [point.mse for point in points], [DEVIATIONS * (point.error or 0.0) for point in points]
    ends = ([v - e for v, e in zip(values, errors, strict=True)], [v + e for v, e in zip(values, errors, strict=True)])
    return Series(
        [float(point.images or 0) for point in points],
        values,
        look._replace(plotly="star", matplotlib="*") if members else look,
        name=f"{curve.trial} {curve.defense}" if named else None,
        group=f"trial {curve.trial}",
        line=not members,
        dash="solid" if first else "dot",
        width=2 if first else 1,
        size=(12 if members else 9) if first else 5,
        y_ends=ends if first else None,
        labels=[*[""] * (len(points) - 1), str(curve.trial)] if named else (),
        hover=[
            f"trial {curve.trial} {point.attack}: {curve.defense}, {'members' if members else 'attacker'}, "
            f"{point.images} images: {point.mse:.3g}"
            for point in points
        ],
    )


def applicable(study: Study) -> str | None:
    """Return why there is nothing to show."""
    return None if levels_table(study.data).rows else "no trial was attacked by attackers of several numbers of images"


def compute(study: Study) -> list[Block]:
    """Return what the levels are, the figure and the table."""
    told = (
        "The same attacks, fitted on fewer of the attacker's images than the study's own attacker holds, on all of "
        "them, and on those that the network was trained on (members). A larger number of images holds those of a "
        "smaller one."
    )
    files = (
        "Beside this page: levels.csv and .parquet, the worst case by level; attacks.csv has every attack, with its "
        "attacker, attacker_images and level."
    )
    return [Note(told, "plain"), _figure(study), levels_table(study.data), Note(files)]


def _figure(study: Study) -> Block:
    curves = drawn_curves(study.data)
    if not curves:
        return Note("No level's number of images is known.", "missing")
    chart = levels_chart(curves, study.looks)
    caption = (
        "Worst mse over the attacks against the number of images that the attacker fits on, with intervals of 90 % "
        f"over the scored images, for the front's trials and the anchors, at most {MOST} lines. Dotted: each attack by "
        "itself. Star: members."
    )
    return Plot("attacker-levels", caption, chart)


CARD = Card(
    name="levels",
    title="What more images give the attacker",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("attacker-levels",),
)
