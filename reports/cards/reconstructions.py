"""Which reconstructions a report shows: for each trial the best, median and worst of the fixed images."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.card import Block, Card, Galleries, Note
from reports.curves import shown_trials
from reports.formats import defense_names, number
from reports.pictures import STYLE, literal
from reports.study import Study
from reports.tables import StudyData, image_key, rows_where

RANKS = ("best", "median", "worst")
"""From the attacker's side: of the fixed images by their mse, the least, the middle and the greatest."""

WIDTH, SIDE, ROW = 7.0, 0.98, 1.35
"""Of the picture, of an image in it, and from trial to trial, inches."""

MOST = 24
"""Trials shown at most."""


class Shown(NamedTuple):
    """An original beside its reconstruction."""

    rank: str
    image: int
    original: NDArray[np.uint8]
    """``(3, H, W)``."""
    reconstruction: NDArray[np.uint8]
    """``(3, H, W)``."""
    mse: float
    ssim: float


class Gallery(NamedTuple):
    """What an attack recovered from one trial."""

    trial: int
    defense: str
    job: str
    verdict: str
    shown: tuple[Shown, ...]


def galleries(data: StudyData) -> list[Gallery]:
    """Return a gallery for each of the front's trials and anchors whose reconstructions were kept, front in order."""
    trials = shown_trials(data.trials)
    names = defense_names(trials)
    found = (_gallery(data, row, name) for row, name in zip(trials.to_dict("records"), names, strict=True))
    return [*islice((gallery for gallery in found if gallery is not None), MOST)]


def _gallery(data: StudyData, trial: dict[str, object], defense: str) -> Gallery | None:
    attacks = data.attacks[data.attacks["trial"].eq(trial["trial"])]
    number = int(str(trial["trial"]))
    kept = rows_where(attacks, (image_key(number, str(job)) in data.images for job in attacks["job"]))
    kept = rows_where(kept, (f"original/{part}" in data.images for part in kept["part"]))
    if kept.empty:
        return None
    deciding = kept[kept["job"].eq(trial["mse_attack"])]
    # where a guess without z decided, the strongest attack is shown
    job = (deciding if len(deciding) else kept.sort_values("mse", kind="stable")).iloc[0]
    scores = data.image_scores[data.image_scores["trial"].eq(number) & data.image_scores["job"].eq(job["job"])]
    shown = _ranked(scores, data.images[f"original/{job['part']}"], data.images[image_key(number, job["job"])])
    return Gallery(number, defense, str(job["job"]), str(job["verdict"]), shown) if shown else None


def _ranked(scores: pd.DataFrame, originals: NDArray[np.uint8], guesses: NDArray[np.uint8]) -> tuple[Shown, ...]:
    ordered = scores.sort_values(["mse", "image"], ignore_index=True)
    if ordered.empty:
        return ()
    places = dict(zip(RANKS, (0, len(ordered) // 2, len(ordered) - 1), strict=True))
    return tuple(_shown(rank, ordered.iloc[place], originals, guesses) for rank, place in places.items())


def _shown(rank: str, score: "pd.Series[float]", originals: NDArray[np.uint8], guesses: NDArray[np.uint8]) -> Shown:
    image = int(score["image"])
    return Shown(rank, image, originals[image], guesses[image], float(score["mse"]), float(score["ssim"]))


def draw_galleries(galleries: Sequence[Gallery]) -> Figure:
    """Return originals over reconstructions, a row per trial: best, median and worst for the attacker."""
    with matplotlib.rc_context(STYLE):
        height = ROW * len(galleries) + 0.1
        figure = Figure(figsize=(WIDTH, height))
        # one drawing in inches: axes for every image take as long as all other pictures together
        axes = figure.add_axes((0, 0, 1, 1))
        for index, gallery in enumerate(galleries):
            _draw_gallery(gallery, axes, ROW * index + 0.27)
        axes.set(xlim=(0, WIDTH), ylim=(height, 0), aspect="auto")
        axes.axis("off")
        return figure


def _draw_gallery(gallery: Gallery, axes: Axes, top: float) -> None:
    places = iter(0.5 + (SIDE + 0.08) * column for column in range(2 * len(RANKS)))
    label = literal(f"trial {gallery.trial}\n{gallery.defense[:24]}")
    axes.text(0.42, top + SIDE / 2, label, fontsize=8, rotation=90, ha="right", va="center")
    for shown in gallery.shown:
        titles = (f"{shown.rank}: original", f"mse {number(shown.mse, 'mse')}")
        for image, title in zip((shown.original, shown.reconstruction), titles, strict=False):
            left, (_, high, wide) = next(places), image.shape
            across, down = SIDE * wide / max(high, wide), SIDE * high / max(high, wide)
            box = (left, left + across, top + down, top)
            axes.imshow(image.transpose(1, 2, 0), interpolation="nearest", extent=box)
            axes.text(left + across / 2, top - 0.04, title, fontsize=7, ha="center", va="bottom")


def compute(study: Study) -> list[Block]:
    """Return the galleries, or that there are none."""
    found = galleries(study.data)
    if not found:
        return [Note("No attack has left reconstructions yet.", "missing")]
    told = (
        f"For the front's trials and the anchors, at most {MOST} of them: of the fixed images, the one that the "
        "attacker recovered best, the middle one and the worst, by mse. Left the original, right what was recovered."
    )
    return [Note(told, "plain"), Galleries(found, partial(draw_galleries, found[:8]))]


CARD = Card(
    name="reconstructions",
    title="Reconstructions",
    group="Attacks",
    compute=compute,
    pictures=("reconstructions",),
)
