"""What the search tried, trial by trial: a table that sorts and filters."""

from reports.card import Block, Card, Live
from reports.study import Study
from reports.tried import MOST, MOST_FAILED, MOST_FRONT, MOST_NEAR, chosen


def applicable(study: Study) -> str | None:
    """Return why there is nothing to list."""
    return None if len(study.data.trials) else "no trial was asked yet"


def compute(study: Study) -> list[Block]:
    """Return the table."""
    listed, every = len(study.once(chosen)), len(study.data.trials)
    members = len(study.front)
    front = "the front" if members <= MOST_FRONT else f"{MOST_FRONT} of the {members} on the front"
    which = (
        f"All {every} trials."
        if listed == every
        else (
            f"{listed} of {every} trials: {front}, anchors, at most {MOST_FAILED} that failed, {MOST_NEAR} that are "
            f"near the front and {MOST} others, evenly chosen; all are in trials.csv."
        )
    )
    caption = (
        f"{which} Press a header to sort by it; type to filter: a word of the defense or the state, a trial's number, "
        "or conditions such as accuracy > 0.6 or lam < 0.1, with spaces between. Point at a row for its trial."
    )
    return [Live("tried", caption)]


CARD = Card(name="tried", title="What the search tried", group="The search", compute=compute, applicable=applicable)
