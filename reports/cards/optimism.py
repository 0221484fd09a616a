"""How far the search flattered what it chose: its scores beside the confirmed ones."""

import numpy as np

from reports.card import Block, Card, Note, Plot
from reports.chart import QUIET, Axis, Chart, Series
from reports.confirmed import applicable as confirmed_applicable
from reports.dominance import DIRECTIONS, OBJECTIVES
from reports.formats import defense_names
from reports.front import compared
from reports.points import Look
from reports.study import Study


def optimism_chart(study: Study, objective: str) -> Chart | None:
    """Return the confirmed score of each candidate against the search's; null if there is none of both."""
    rows = study.candidates
    assert rows is not None
    searched = compared(study.data.trials).set_index("trial")[objective].astype(float).reindex(rows["trial"]).to_numpy()
    known = np.isfinite(searched) & rows[objective].notna().to_numpy()
    if not known.any():
        return None
    found = rows[known].assign(searched=searched[known], defense=defense_names(rows[known]))
    both = [*found["searched"], *found[objective]]
    margin = 0.06 * (max(both) - min(both)) or 0.01
    ends = (min(both) - margin, max(both) + margin)
    marks = [
        Series(
            own["searched"].tolist(),
            own[objective].tolist(),
            study.looks[str(name)],
            name=str(name),
            group=str(name),
            size=10,
            y_ends=(own[f"{objective}_low"].tolist(), own[f"{objective}_high"].tolist()),
            labels=[str(trial) for trial in own["trial"]],
            trials=own["trial"].tolist(),
        )
        for name, own in found.groupby("defense", sort=False)
    ]
    line = Series(ends, ends, Look(QUIET, "circle", "o"), marks=False, line=True, dash="dot", width=1)
    titles = (f"{objective}, as the search saw it", f"{objective}, confirmed")
    turned = ends if DIRECTIONS[objective] > 0 else ends[::-1]
    return Chart(Axis(titles[0], turned), Axis(titles[1], turned), (line, *marks), height=380)


def applicable(study: Study) -> str | None:
    """Return why there is nothing to compare."""
    return confirmed_applicable(study.data)


def compute(study: Study) -> list[Block]:
    """Return a figure for each objective, and whether search and confirm were computed unlike."""
    told = {
        "accuracy": "A candidate below the dotted line is worse than the search saw it: the winner's curse. Bars: "
        "intervals of 95 % over seeds.",
        "mse": "Likewise mse.",
        "ssim": "Likewise ssim, its axes reversed.",
    }
    drawn = [(name, optimism_chart(study, name)) for name in OBJECTIVES]
    own, theirs = study.data.study["hardware"].get("precision"), study.data.study.get("confirm_precision")
    unlike = f"The search was computed in {own}, and what confirms it in {theirs}: a part of a difference may be that."
    notes = [Note(unlike)] if own and theirs and own != theirs else []
    return [*notes, *(Plot(f"optimism-{name}", told[name], chart) for name, chart in drawn if chart)]


CARD = Card(
    name="optimism",
    title="Search against confirmed",
    group="The answer",
    compute=compute,
    applicable=applicable,
    pictures=tuple(f"optimism-{name}" for name in OBJECTIVES),
)
