"""What nothing dominates, as the search saw it: a figure for each pair of objectives."""

import math
from functools import partial

from reports import pictures
from reports.card import Block, Card, Note, Plot, Words
from reports.figures import draw_pair
from reports.front import PAIRS
from reports.points import Pair
from reports.study import Study
from reports.words import cautions, findings

KEY = (
    ("●", "filled, numbered: on the front of all three objectives"),
    ("○", "open: dominated"),
    ("\u00d7", "below the accuracy floor"),
    ("+", "partial: not every attack ended"),
    ("◎", "ringed: undefended anchor"),
    ("↓", "a better attack may outdo the one behind an objective by 5 % or more: perhaps less private than drawn"),
    ("┄", "dotted: mean-image guess; accuracy floor"),
)

CAPTIONS = (
    "Accuracy against the mse of the worst attack. The upper right is better.",
    "Accuracy against the ssim of the worst attack, its axis reversed. The upper right is better.",
    "Mse against ssim, each of the attack that is worst by it; the axis of ssim is reversed. The upper right is more "
    "private.",
)


def compute(study: Study) -> list[Block]:
    """Return findings, cautions and the figures."""
    drawn = [
        Plot(
            f"front-{x}-{y}",
            f"{caption}{drawn_of(pair)}",
            draw_pair(pair, study.looks),
            partial(pictures.draw_pair, pair, study.looks),
        )
        for (x, y), caption in zip(PAIRS, CAPTIONS, strict=True)
        if len((pair := study.pair(x, y)).points)
    ]
    if not drawn:
        return [*_told(study), Note("No trial has both objectives yet, so there is nothing to draw.", "missing")]
    first = Plot(drawn[0].name, drawn[0].caption, drawn[0].figure, drawn[0].picture, KEY)
    missing = study.pair(*PAIRS[0]).undrawn
    all_of = f"Not drawn, for want of an objective: {missing} of {len(study.data.trials)}."
    return [*_told(study), first, *([Note(all_of)] if missing else []), *drawn[1:]]


def drawn_of(pair: Pair) -> str:
    """Return of how many trials a figure draws how many, if not all."""
    return thinned_words(len(pair.points), len(pair.points) + pair.hidden, pair.within)


def thinned_words(drawn: int, of: int, within: float) -> str:
    """Return the same in words.

    Args:
        drawn: Trials that are drawn.
        of: Those that there are.
        within: How near to one of them each other one is, px.
    """
    if drawn == of:
        return ""
    return (
        f" Drawn: {drawn:,} of {of:,} trials; each of the others is behind one of the same defense "
        f"and standing, within {math.ceil(within)} px on a wide screen."
    )


def _told(study: Study) -> list[Block]:
    careful = cautions(study.data)
    told = [] if study.candidates is None else [Words(findings(study.data))]  # else they are the answer
    return [*told, *([Words(careful, careful=True)] if careful else [])]


CARD = Card(
    name="front",
    title="What nothing dominates",
    group="The search",
    compute=compute,
    pictures=tuple(f"front-{x}-{y}" for x, y in PAIRS),
)
