"""Settings and objectives side by side, a line for each trial: parallel coordinates that brush."""

from reports.card import Block, Card, Live
from reports.study import Study


def applicable(study: Study) -> str | None:
    """Return why there is nothing to draw."""
    return None if len(study.eligible) > 1 else "fewer than two trials are complete and above the floor"


def compute(study: Study) -> list[Block]:
    """Return the view."""
    caption = (
        "A line for each complete trial, of all defenses or of one with its own settings. Drag along an axis to keep "
        "what passes through there, press it to let go; the table above keeps the same. Ends are marked; better is up."
    )
    return [Live("parallel", caption)]


CARD = Card(
    name="parallel", title="Settings and objectives", group="The search", compute=compute, applicable=applicable
)
