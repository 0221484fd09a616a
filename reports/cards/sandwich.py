"""Each measured worst case between what no attack can beat and what a guess achieves."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.card import Block, Card, Note, Plot
from reports.cards.trials import front_and_anchors
from reports.chart import QUIET, Axis, Chart, Level, Series
from reports.formats import MISSING, Table, defense_names, number
from reports.points import Look, floor_of
from reports.statistics import blind, least_error, most_recovered
from reports.study import Study

ASSUMED = (
    "Assumed: images are Gaussian with the covariance of the training images (of the first 1,000; of what these cannot "
    "tell, nought); a release tells at most the upper bound that its defense's law of noise gives, as measured on "
    "validation images, and the class besides. An attack below the bound would refute one of these. The mean error "
    "cannot fall below the distortion-rate function at so many nats; of the share, kl(P || p0) is at most these nats, "
    "where p0 is the chance of a blind guess."
)


class Sandwich(NamedTuple):
    """A trial between its bounds."""

    trial: int
    defense: str
    measured: float
    nats: float
    least: float
    """Mse that no attack can be below, in the mean."""
    share: float
    """Of the images, at most so many can be recovered to half the measured mse."""
    missing: str | None
    """Why there is no bound."""


def sandwiches(study: Study) -> list[Sandwich]:
    """Return the front's trials and the undefended anchors with their bounds, the most accurate first."""
    info = study.data.study.get("images")
    trials = front_and_anchors(study.data.trials)
    if not info or "nats" not in trials:
        return []
    spectrum, pixels = np.array(info["spectrum"]), info["pixels"]
    found = []
    for row, name in zip(trials.to_dict("records"), defense_names(trials), strict=True):
        nats, measured = float(row["nats"]), float(row["mse"])
        if np.isnan(nats):
            missing = number(row.get("nats_missing"))
            found.append(Sandwich(row["trial"], name, measured, nats, np.nan, np.nan, missing))
            continue
        all_nats = nats + float(np.log(max(info["classes"], 1)))
        least = least_error(spectrum, all_nats, pixels)
        share = most_recovered(blind(spectrum, measured / 2, pixels), all_nats)
        found.append(Sandwich(row["trial"], name, measured, all_nats, least, share, None))
    return found


def sandwich_chart(study: Study, found: list[Sandwich]) -> Chart:
    """Return bound and measured mse of each trial, a row each, and the guess as a line."""
    bounded = [each for each in found if each.missing is None]
    names = tuple(f"{each.trial} {each.defense}" for each in found)
    place = {each.trial: float(index) for index, each in enumerate(found)}
    bound = Series(
        [each.least for each in bounded],
        [place[each.trial] for each in bounded],
        Look(QUIET, "triangle-right", ">"),
        name="no attack can be below",
        hover=[f"trial {each.trial}: at least {each.least:.3g}, for {each.nats:.0f} nats" for each in bounded],
    )
    measured = [
        Series(
            [each.measured],
            [place[each.trial]],
            study.looks[each.defense],
            name=each.defense,
            group=each.defense,
            size=11,
            trials=[each.trial],
        )
        for each in found
    ]
    guess = floor_of(study.data, "mse")
    levels = () if guess is None else (Level(guess, f"mean image {number(guess, 'mse')}", upright=True),)
    x = Axis("mse of the worst attack (more is more private)", log=True)
    return Chart(x, Axis("", names=names), (bound, *_once(measured)), levels, height=140 + 24 * len(found))


def sandwich_table(found: list[Sandwich], guess: float | None) -> Table:
    """Return bound, measured and guess of each trial."""
    rows: list[tuple[str, ...]] = [
        (
            number(each.trial),
            each.defense,
            number(each.least, "mse") if each.missing is None else "n/a",
            number(each.measured, "mse"),
            number(guess, "mse"),
            f"{each.nats:.0f}" if each.missing is None else "n/a",
            _share(each.share) if each.missing is None else "n/a",
            each.missing or MISSING,
        )
        for each in found
    ]
    headers = ("trial", "defense", "no attack below", "measured", "guess", "nats", "half of it, at most", "why n/a")
    caption = (
        "Mse that no attack can be below in the mean, the measured worst case, and the mean image's; the bound on what "
        "a release tells of its image, class included; and the greatest share of images that anyone can recover to "
        "half the measured mse."
    )
    table = Table(caption, headers, rows, frozenset(headers[2:7]) | {"trial"}, roomy=frozenset({"why n/a"}))
    if all(each.missing is None for each in found):
        return table._replace(headers=headers[:-1], rows=[row[:-1] for row in rows])
    return table


def applicable(study: Study) -> str | None:
    """Return why no bound can be told."""
    if not study.data.study.get("images"):
        return "how the images vary was not looked at: the next `invfront run` or `resume` of the study does"
    if not sandwiches(study):
        return "no trial of the front has a bound"
    return None


def compute(study: Study) -> list[Block]:
    """Return the figure, the table and what is assumed."""
    found = sandwiches(study)
    guess = floor_of(study.data, "mse")
    caption = (
        "For each trial of the front and undefended anchor: the mse that no attack can be below (right-pointing), what "
        "the worst attack came to, and the mean image (dotted). The gap to the left is what a better attack may take."
    )
    blocks: list[Block] = [sandwich_table(found, guess), Note(ASSUMED)]
    if any(each.missing is None for each in found):
        blocks.insert(0, Plot("sandwich", caption, sandwich_chart(study, found)))
    return blocks


def _once(series: list[Series]) -> list[Series]:
    """Return the series, each name in the legend once."""
    seen = set[str | None]()
    kept = []
    for each in series:
        kept.append(each._replace(name=None) if each.name in seen else each)
        seen.add(each.name)
    return kept


def _share(share: float) -> str:
    return "all" if pd.isna(share) or share >= 1 else f"{share:.2g}"


CARD = Card(
    name="sandwich-section",
    title="Between a bound and a guess",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("sandwich",),
)
