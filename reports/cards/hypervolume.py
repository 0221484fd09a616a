"""How fast the search found what it found: hypervolume over trials, and over hours where these are known."""

import numpy as np

from reports.card import Block, Card, Note, Plot
from reports.chart import Axis, Chart, Series
from reports.formats import number
from reports.front import hypervolume_history
from reports.study import Study

MOST = 512
"""Trials at which it is drawn, where it changes at more."""

TITLE = "hypervolume (accuracy x mse x ssim)"


def over_trials(study: Study) -> Chart:
    """Return the hypervolume of the eligible trials up to each trial's number."""
    history = hypervolume_history(study.data.trials, study.data.study["hypervolume_reference"])
    hover = [
        f"up to trial {trial}: {volume:.4g}"
        for trial, volume in zip(history["trial"], history["hypervolume"], strict=True)
    ]
    return _chart("trial", history["trial"].tolist(), history["hypervolume"].tolist(), hover)


def over_hours(study: Study) -> Chart | None:
    """Return the hypervolume of the eligible trials that had ended by each hour of work; null if no end is known."""
    trials = study.data.trials
    if "hours" not in trials or trials["hours"].isna().all():
        return None
    ended = trials[trials["hours"].notna()].sort_values("hours", kind="stable")
    renumbered = ended.assign(trial=range(len(ended)))
    history = hypervolume_history(renumbered, study.data.study["hypervolume_reference"])
    hover = [
        f"trial {trial}, after {hours:.3g} h: {volume:.4g}"
        for trial, hours, volume in zip(ended["trial"], ended["hours"], history["hypervolume"], strict=True)
    ]
    x, y = [0.0, *ended["hours"].astype(float)], [0.0, *history["hypervolume"]]
    return _chart("hours in which something ran", x, y, ["", *hover])


def compute(study: Study) -> list[Block]:
    """Return one figure, or two, and against what the volume is measured."""
    if study.front.empty:
        return [Note("No eligible trial yet, so the hypervolume is 0.", "missing")]
    reference = study.data.study["hypervolume_reference"]
    told = ", ".join(f"{name} {number(value)}" for name, value in reference.items())
    trials, hours = over_trials(study), over_hours(study)
    thin = f" Drawn at {MOST} of them, evenly spaced." if len(study.data.trials) > MOST else ""
    caption = (
        "Volume that the eligible trials up to each number dominate together, against the recorded reference: "
        f"{told}.{thin}"
    )
    blocks: list[Block] = [Plot("hypervolume", caption, trials)]
    if hours:
        caption = "The same by the time at which trials ended; pauses between sessions do not count."
        blocks.append(Plot("hypervolume-hours", caption, hours))
    return blocks


def _chart(title: str, x: list[float], y: list[float], hover: list[str]) -> Chart:
    kept = [i for i in range(len(y)) if i in (0, len(y) - 1) or y[i] != y[i - 1]]
    if len(kept) > MOST:
        kept = sorted({*np.linspace(0, len(y) - 1, MOST).astype(int).tolist(), len(y) - 1})
    x, y = [x[i] for i in kept], [y[i] for i in kept]
    line = Series(x, y, line=True, steps=True, marks=len(x) < 60, size=6, hover=[hover[i] for i in kept])
    return Chart(Axis(title), Axis(TITLE, from_zero=True), (line,), height=320)


CARD = Card(
    name="hypervolume-section",
    title="Hypervolume",
    group="The search",
    compute=compute,
    pictures=("hypervolume", "hypervolume-hours"),
)
