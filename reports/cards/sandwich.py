"""Each measured worst case between what no attack can beat and what a guess achieves."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from reports.card import Block, Card, Note, Plot
from reports.cards.trials import front_and_anchors
from reports.chart import QUIET, Axis, Chart, Level, Series
from reports.formats import MISSING, Table, defense_names, number
from reports.points import Look, floor_of
from reports.statistics import blind, least_error, most_recovered
from reports.study import Study
from reports.tables import ImagesInfo

ASSUMED = (
    "Assumed: images are Gaussian with the covariance of the training images (of the first 1,000; of what these cannot "
    "tell, nought). Two bounds rest on it, and the greater one is drawn. By what a release tells, at most the nats "
    "that its defense's law of noise gives on validation images, and the class besides: the mean error cannot fall "
    "below the distortion-rate function there; of the share, kl(P || p0) is at most these nats, where p0 is the chance "
    "of a blind guess. By the derivative: of images Gaussian within their class, which the attacker is told, with one "
    "covariance in all classes, the mean error is at least tr((F + S)^-1) / n, with F the mean Fisher information of a "
    "release about its image and S the inverse of that covariance (van Trees); exact for a linear client, and measured "
    "so that chance lowers it."
)
REFUTED = (
    "Images have more structure than their covariance, and an attack that learns it may be below either bound. Such a "
    "trial refutes that its images are Gaussian, and nothing else."
)


BELOW = " !"
"""Behind a measured mse that refutes a bound."""

CHANCE = 0.05
"""Share of a bound that the images it was told from may be off by: where a release tells nothing it is their variance,
and the mean image's error on others is as likely below it as above."""


MOST = 40
"""Trials that the figure draws, a row each; the table has all."""


class Sandwich(NamedTuple):
    """A trial between its bounds."""

    trial: int
    defense: str
    measured: float
    nats: float
    told: float
    """Mse that no attack can be below, in the mean, by what a release tells; NaN where that has no bound."""
    derived: float
    """Likewise by the derivative of releases."""
    share: float
    """Of the images, at most so many can be recovered to half the measured mse."""
    missing: str | None
    """Why there is no bound on what a release tells."""
    underived: str | None = None
    """Why its derivative gives none."""
    error: float = 0.0
    """Standard error, over images, of the bound by the derivative."""

    @property
    def least(self) -> float:
        """The greater bound; NaN if there is none."""
        return float(np.fmax(self.told, self.derived))

    @property
    def bounded(self) -> bool:
        """Whether there is a bound."""
        return not np.isnan(self.least)

    @property
    def refuted(self) -> bool:
        """Whether an attack is below the bound by more than a sample of images leaves to chance."""
        derived = (1 - CHANCE) * self.derived - 2 * self.error
        return self.measured < (1 - CHANCE) * self.told or self.measured < derived


def sandwiches(study: Study) -> list[Sandwich]:
    """Return the front's trials and the undefended anchors with their bounds, the most accurate first."""
    info = study.data.study.get("images")
    trials = front_and_anchors(study.data.trials)
    if not info or "nats" not in trials:
        return []
    return [
        _sandwich(info, row, name) for row, name in zip(trials.to_dict("records"), defense_names(trials), strict=True)
    ]


def _sandwich(info: ImagesInfo, row: dict[Hashable, Any], name: str) -> Sandwich:
    spectrum, pixels = np.array(info["spectrum"]), info["pixels"]
    measured, nats = float(row["mse"]), float(row["nats"]) + float(np.log(max(info["classes"], 1)))
    derived = float(row.get("spectrum_bound", np.nan))
    error = float(np.nan_to_num(row.get("spectrum_bound_se", 0.0)))
    underived = None if not np.isnan(derived) else number(row.get("spectrum_missing", "not measured"))
    if np.isnan(nats):
        missing = number(row.get("nats_missing"))
        return Sandwich(row["trial"], name, measured, nats, np.nan, derived, np.nan, missing, underived, error)
    told = least_error(spectrum, nats, pixels)
    share = most_recovered(blind(spectrum, measured / 2, pixels), nats)
    return Sandwich(row["trial"], name, measured, nats, told, derived, share, None, underived, error)


def sandwich_chart(study: Study, found: list[Sandwich]) -> Chart:
    """Return bound and measured mse of each trial, a row each, and the guess as a line."""
    bounded = [each for each in found if each.bounded]
    names = tuple(f"{each.trial} {each.defense}" for each in found)
    place = {each.trial: float(index) for index, each in enumerate(found)}
    bound = Series(
        [each.least for each in bounded],
        [place[each.trial] for each in bounded],
        Look(QUIET, "triangle-right", ">"),
        name="no attack can be below",
        hover=[f"trial {each.trial}: at least {each.least:.3g}, {_by(each)}" for each in bounded],
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
    seen = [each.measured for each in found] + [each.least for each in bounded] + ([] if guess is None else [guess])
    drawn = [value for value in seen if np.isfinite(value) and value > 0]
    ends = (min(drawn) / 1.3, max(drawn) * 1.6) if drawn else None
    x = Axis("mse (more is more private)", range=ends, log=True)
    return Chart(x, Axis("", names=names), (bound, *_once(measured)), levels, height=140 + 24 * len(found))


def sandwich_table(found: list[Sandwich], guess: float | None) -> Table:
    """Return bounds, measured and guess of each trial."""
    rows: list[tuple[str, ...]] = [
        (
            number(each.trial),
            each.defense,
            _or_none(each.told, number(each.told, "mse")),
            _or_none(each.derived, number(each.derived, "mse")),
            number(each.measured, "mse") + (BELOW if each.refuted else ""),
            number(guess, "mse"),
            _or_none(each.nats, f"{each.nats:.0f}"),
            _or_none(each.share, _share(each.share)),
            "; ".join(dict.fromkeys(why for why in (each.missing, each.underived) if why)) or MISSING,
        )
        for each in found
    ]
    headers = (
        "trial",
        "defense",
        "no attack below, by nats",
        "by derivative",
        "measured",
        "guess",
        "nats",
        "half of it, at most",
        "why n/a",
    )
    caption = (
        "Mse that no attack can be below in the mean, by what a release tells and by its derivative; the measured "
        f"worst case ({BELOW.strip()}: below a bound by over {CHANCE:.0%}), and the mean image's; the bound on what a "
        "release tells of its image, class included; and the greatest share of images that anyone can recover to half "
        "the measured mse."
    )
    table = Table(caption, headers, rows, frozenset(headers[2:8]) | {"trial"}, roomy=frozenset({"why n/a"}))
    if all(row[-1] == MISSING for row in rows):
        return table._replace(headers=headers[:-1], rows=[row[:-1] for row in rows])
    return table


def applicable(study: Study) -> str | None:
    """Return why no bound can be told."""
    if not study.data.study.get("images"):
        return "how the images vary was not looked at: the next `invfront run` or `resume` of the study does"
    if not study.once(sandwiches):
        return "no trial of the front has a bound"
    return None


def compute(study: Study) -> list[Block]:
    """Return the figure, the table and what is assumed."""
    found = study.once(sandwiches)
    guess = floor_of(study.data, "mse")
    drawn = [found[place] for place in np.linspace(0, len(found) - 1, min(len(found), MOST)).round().astype(int)]
    few = (
        f" Drawn: {len(drawn)} of {len(found):,} trials, evenly chosen by accuracy." if len(drawn) < len(found) else ""
    )
    caption = (
        "For each trial of the front and undefended anchor: the mse that no attack can be below (right-pointing), what "
        "the worst attack came to, and the mean image (dotted). The gap to the left is what a better attack may take."
        f"{few}"
    )
    blocks: list[Block] = [sandwich_table(found, guess), Note(ASSUMED), Note(REFUTED)]
    if any(each.bounded for each in drawn):
        blocks.insert(0, Plot("sandwich", caption, sandwich_chart(study, drawn)))
    return blocks


def _once(series: list[Series]) -> list[Series]:
    """Return the series, each name in the legend once."""
    seen = set[str | None]()
    kept = []
    for each in series:
        kept.append(each._replace(name=None) if each.name in seen else each)
        seen.add(each.name)
    return kept


def _by(each: Sandwich) -> str:
    return "by the derivative" if not each.told >= each.derived else f"for {each.nats:.0f} nats"


def _or_none(value: float, text: str) -> str:
    return "n/a" if np.isnan(value) else text


def _share(share: float) -> str:
    return "all" if share >= 1 else f"{share:.2g}"


CARD = Card(
    name="sandwich-section",
    title="Between a bound and a guess",
    group="Attacks",
    compute=compute,
    applicable=applicable,
    pictures=("sandwich",),
)
