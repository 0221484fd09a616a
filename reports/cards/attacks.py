"""How the attacks went: their curves, how they ended and why, and what they recovered."""

from collections.abc import Sequence

from reports import attack_tables as tables
from reports.card import Block, Card, Folded, Note, Part, Plot, Terms
from reports.chart import Axis, Chart, Dash, Series
from reports.curves import MOST, Curve, attack_curves
from reports.study import Study

DASHES: dict[str, Dash] = {
    "tight": "solid", "open": "dash", "floor": "dot", "inert": "longdash", "diverged": "dashdot",
    "failed": "longdashdot", "converged": "solid", "limited": "dash",
}  # fmt: skip

VERDICTS = (
    "Tight: a better attack takes less than 5 % off its error, at the upper end of the interval of 90 %. Open: it may "
    "take more, and how much stands with the attack. Floor: no better than the best guess without the release, though "
    "it beats that guess on the undefended network; flagged where no such network tells. Inert: nor does it there. "
    "Diverged: worse than that guess. Failed: it raised an error. Converged and limited are the words of 0.1."
)


def curves_chart(curves: Sequence[Curve]) -> Chart:
    """Return the attackers' validation error by step; the dash of a line is its verdict."""
    lines = tuple(
        Series(
            curve.steps,
            curve.values,
            curve.look,
            name=f"{curve.trial} {curve.job} ({curve.verdict})",
            marks=False,
            line=True,
            dash=DASHES[curve.verdict],
            hover=[
                f"trial {curve.trial} {curve.job}: {curve.defense} ({curve.verdict}), step {step}: {value:.3g}"
                for step, value in zip(curve.steps, curve.values, strict=True)
            ],
        )
        for curve in curves
    )
    return Chart(Axis("optimiser steps of the attack"), Axis("mse on attacker-validation", log=True), lines)


def compute(study: Study) -> list[Block]:
    """Return the curves and the tables."""
    data = study.data
    drawn = _figure(attack_curves(data))
    if data.attacks.empty:
        return [drawn, Note("No attack has ended yet.", "missing")]
    who, further = tables.who_table(data), tables.deciding_metrics_table(data)
    meanings = tables.meanings(data)
    every = (tables.attacks_table(data), tables.metrics_table(data), tables.other_reconstructions_table(data))
    return [
        drawn,
        tables.verdicts_table(data),
        Note(VERDICTS),
        *([Folded("Who attacks, and what they know", [who])] if who.rows else []),
        *([Part("Further metrics", [further])] if further.rows else []),
        *([Terms("What the further metrics mean", meanings)] if meanings else []),
        Folded(f"All {len(data.attacks)} attacks", [table for table in every if table.rows]),
    ]


def _figure(curves: Sequence[Curve]) -> Block:
    if not curves:
        return Note("No attack has a learning curve yet.", "missing")
    chart = curves_chart(curves)
    caption = (
        "Attackers' error on their validation images, for the front's trials and the anchors; of many attacks the one "
        f"that decided mse, at most {MOST} curves. Solid: tight, a better attack gains under 5 %. Dashed: open, it may "
        "gain more. Dotted: no better than a guess without the release."
    )
    return Plot("attack-curves", caption, chart)


CARD = Card(name="attacks", title="Attacks", group="Attacks", compute=compute, pictures=("attack-curves",))
