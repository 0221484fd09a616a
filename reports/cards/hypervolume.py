"""How fast the search found what it found: hypervolume over trials, and over hours where these are known."""

from collections.abc import Callable

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
    numbers, volumes = history["trial"].tolist(), history["hypervolume"].tolist()
    return _chart("trial", numbers, volumes, lambda at: f"up to trial {numbers[at]}: {volumes[at]:.4g}")


def over_hours(study: Study) -> Chart | None:
    """Return the hypervolume of the eligible trials that had ended by each hour of work; null if no end is known."""
    trials = study.data.trials
    if "hours" not in trials or trials["hours"].isna().all():
        return None
    ended = trials[trials["hours"].notna()].sort_values("hours", kind="stable")
    renumbered = ended.assign(trial=range(len(ended)))
    history = hypervolume_history(renumbered, study.data.study["hypervolume_reference"])
    numbers, hours = [None, *ended["trial"].tolist()], [0.0, *ended["hours"].astype(float).tolist()]
    volumes = [0.0, *history["hypervolume"].tolist()]

    def told(at: int) -> str:
        return f"trial {numbers[at]}, after {hours[at]:.3g} h: {volumes[at]:.4g}" if at else ""

    return _chart("hours in which something ran", hours, volumes, told)


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


def _chart(title: str, x: list[float], y: list[float], told: Callable[[int], str]) -> Chart:
    """Return a line that rises at the points where the volume does; of many, at evenly spaced ones."""
    kept = [i for i in range(len(y)) if i in (0, len(y) - 1) or y[i] != y[i - 1]]
    if len(kept) > MOST:
        kept = sorted({*np.linspace(0, len(y) - 1, MOST).astype(int).tolist(), len(y) - 1})
    x, y, hover = [x[i] for i in kept], [y[i] for i in kept], [told(i) for i in kept]
    line = Series(x, y, line=True, steps=True, marks=len(x) < 60, size=6, hover=hover)
    return Chart(Axis(title), Axis(TITLE, from_zero=True), (line,), height=320)


CARD = Card(
    name="hypervolume-section",
    title="Hypervolume",
    group="The search",
    compute=compute,
    pictures=("hypervolume", "hypervolume-hours"),
)
