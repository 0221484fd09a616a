"""Who was tuned how much: what the search spent on each defense."""

import pandas as pd

from reports.card import Block, Card, Words
from reports.dominance import OBJECTIVES
from reports.formats import Table, defense_names, duration, listed, number
from reports.study import Study
from reports.tables import settings

UNEQUAL = 1.5
"""Times as many complete trials as another defense from which a defense is said to have been tuned more."""


def budgets(study: Study) -> pd.DataFrame:
    """Return a row per defense: ``defense, asked, complete, eligible, front, tuned, different, seconds``.

    ``tuned`` is the number of settings that vary among its trials, ``different`` how many different ones it had.
    """
    trials = study.data.trials
    rows = []
    for name, own in trials.groupby(defense_names(trials), sort=False):
        varying = [path for path in settings(own) if own[path].nunique() > 1]
        complete = own[own["state"].eq("complete")]
        rows.append(
            {
                "defense": str(name),
                "asked": len(own),
                "complete": len(complete),
                "eligible": int(own["trial"].isin(study.eligible["trial"]).sum()),
                "front": int(own["trial"].isin(study.front["trial"]).sum()),
                "tuned": len(varying),
                "different": len(own[varying].drop_duplicates()) if varying else min(len(own), 1),
                "seconds": float(pd.to_numeric(own["seconds"]).sum()),
                "best": complete["accuracy"].astype(float).max() if len(complete) else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def budgets_table(found: pd.DataFrame) -> Table:
    """Return the same as text."""
    cells = [
        (
            row["defense"],
            *(number(row[name]) for name in ("asked", "complete", "eligible", "front", "tuned", "different")),
            number(row["best"], OBJECTIVES[0]),
            duration(row["seconds"]),
        )
        for row in found.to_dict("records")
    ]
    numbers = ("asked", "complete", "eligible", "on the front", "settings tuned", "different settings", "best accuracy")
    caption = (
        "What each defense was given: trials, how many of its settings varied, how many different combinations of them "
        "were tried, and the time that its trials took. Eligible: complete and not below the accuracy floor."
    )
    return Table(caption, ("defense", *numbers, "time"), cells, frozenset({*numbers, "time"}))


def compute(study: Study) -> list[Block]:
    """Return in words whether the budget was equal, and the table."""
    found = budgets(study)
    least, most = int(found["complete"].min()), int(found["complete"].max())
    if least * UNEQUAL >= most:
        told = (
            f"Each defense has {least} to {most} complete trials: tuned alike."
            if least < most
            else (f"Each defense has {most} complete trials: tuned alike.")
        )
    else:
        fewest = found.loc[found["complete"].eq(least), "defense"].tolist()
        told = (
            f"Not tuned alike: {listed(fewest)} {'has' if len(fewest) == 1 else 'have'} {least} complete trials, "
            f"others up to {most}. A defense that was tuned less may look worse than it is."
        )
    return [Words([told]), budgets_table(found)]


def applicable(study: Study) -> str | None:
    """Return why there is nothing to compare."""
    return None if len(study.data.trials) else "no trial was asked yet"


CARD = Card(name="budgets", title="Who was tuned how much", group="The search", compute=compute, applicable=applicable)
