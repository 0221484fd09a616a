"""What defenses are worth where all were held to one accuracy: how near they came, and paired by seed."""

import pandas as pd

from reports.card import Block, Card, Note, Words
from reports.confirmed_gains import difference_cell, seeds_cell
from reports.dominance import DIRECTIONS
from reports.formats import Table, defense_names, number
from reports.held import FARTHEST, TARGET, against_baselines, missed_words, near_target, off_target
from reports.statistics import ROPE, complete_runs
from reports.study import Study

UNCONTROLLED = "uncontrolled"


def held_trials(study: Study) -> pd.DataFrame:
    """Return the trials that were to be held to an accuracy and have objectives, by target, the most private first."""
    trials = study.data.trials
    known = trials[off_target(trials).notna() & trials["mse"].notna()]
    return known.sort_values([TARGET, "mse"], ascending=[True, False]) if len(known) else known


def held_table(rows: pd.DataFrame) -> Table:
    """Return a row for each trial that was to be held to an accuracy."""
    off = 100 * off_target(rows)
    cells = [
        (
            number(row[TARGET]),
            number(row["trial"]),
            name,
            number(row["strength"]) if row["controlled"] else UNCONTROLLED,
            number(row["control_accuracy"], "accuracy"),
            f"{by:+.1f}",
            *(number(row[objective], objective) for objective in DIRECTIONS),
        )
        for row, name, by in zip(rows.to_dict("records"), defense_names(rows), off, strict=True)
    ]
    caption = (
        "Every trial beside the accuracy that it was held to, on the control part, which nothing was trained on: by "
        "how many points it missed it, and what the worst of its attacks leaves. One training each."
    )
    headers = ("target", "trial", "defense", "strength in the end", "reached", "off by, points", *DIRECTIONS)
    return Table(caption, headers, cells, frozenset({*headers} - {"defense"}))


def against_table(study: Study, found: pd.DataFrame) -> Table:
    """Return a row for each confirmed trial and baseline of its target.

    Args:
        study: The study.
        found: What `reports.held.against_baselines` returned of it.
    """
    targets = dict(zip(study.data.trials["trial"], study.data.trials[TARGET], strict=True))
    cells = []
    for (first, second), group in found.groupby(["first", "second"], sort=False):
        told = {row["objective"]: row for row in group.to_dict("records")}
        scores = [cell for name in DIRECTIONS for cell in (difference_cell(told[name]), str(told[name]["verdict"]))]
        lead = (number(targets[first]), number(first), study.names[first], f"{study.names[second]} ({second})")
        cells.append((*lead, *scores, number(int(group["seeds"].min())), seeds_cell(group)))
    headers = tuple(cell for name in DIRECTIONS for cell in (f"{name}, better by", f"{name}: it is"))
    caption = (
        "Confirmed trials beside what they should beat, both held to one target, paired by seed: mean difference with "
        "its interval of 95 %. Better and worse hold for all comparisons together but for 5 % (Holm); equivalent: "
        f"within {ROPE['accuracy'] * 100:g} points of accuracy or {ROPE['ssim']:g} of ssim. Of several trials of a "
        "baseline the most private stands for it."
    )
    return Table(
        caption,
        ("target", "trial", "defense", "beside", *headers, "seeds", "more seeds to decide"),
        cells,
        frozenset({"target", "trial", "seeds"}),
        whole=frozenset(f"{name}, better by" for name in DIRECTIONS),
    )


def applicable(study: Study) -> str | None:
    """Return why nothing was held to an accuracy."""
    if held_trials(study).empty:
        return "no trial was held to an accuracy: `train/target_accuracy` asks for it"
    return None


def compute(study: Study) -> list[Block]:
    """Return the tables, and what missed its target."""
    rows, found = held_trials(study), against_baselines(study)
    missed = missed_words(rows)
    way = "`invfront confirm --trials all --seeds 5` trains each again with five seeds, and pairs them."
    return [
        *([Words(missed, careful=True)] if missed else []),
        held_table(rows),
        *([against_table(study, found)] if len(found) else [Note(f"Nothing is compared over seeds yet: {way}")]),
        Note(
            f"Compared are the trainings that came within {100 * FARTHEST:g} points of their target, uncontrolled or "
            f"not: {len(near_target(study))} of {len(complete_runs(study.data.confirmed))} that confirm."
        ),
    ]


CARD = Card(
    name="held",
    title="Held to one accuracy",
    group="The answer",
    compute=compute,
    applicable=applicable,
)
