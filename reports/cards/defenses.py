"""A front for each defense, among its own trials."""

from functools import partial

from reports import pictures
from reports.card import Block, Card, Note, Plot
from reports.cards.front import thinned_words
from reports.figures import draw_defenses
from reports.front import PAIRS
from reports.points import Pair, defense_staircases
from reports.study import Study

CAPTIONS = (
    "Accuracy against mse: each defense's own non-dominated trials are joined. Eligible trials only.",
    "Likewise accuracy against ssim, its axis reversed.",
)


def compute(study: Study) -> list[Block]:
    """Return the two figures against accuracy."""
    if study.front.empty:
        return [Note("No trial is on the front yet, so no defense has a front of its own.", "missing")]
    return [
        Plot(
            f"defenses-{x}-{y}",
            f"{caption}{_drawn(study.pair(x, y), len(study.eligible))}",
            draw_defenses(*(drawn := (study.pair(x, y), study.looks, defense_staircases(study.data.trials, x, y)))),
            partial(pictures.draw_defenses, *drawn),
        )
        for (x, y), caption in zip(PAIRS[:2], CAPTIONS, strict=True)
    ]


def _drawn(pair: Pair, eligible: int) -> str:
    return thinned_words(int(pair.points["kind"].isin(["front", "dominated"]).sum()), eligible, pair.within)


CARD = Card(
    name="defenses",
    title="A front for each defense",
    group="The search",
    compute=compute,
    pictures=tuple(f"defenses-{x}-{y}" for x, y in PAIRS[:2]),
)
