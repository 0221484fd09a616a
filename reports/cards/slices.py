"""A setting against each objective, by defense."""

from reports.card import Block, Card, Live
from reports.cards.importance import ranked
from reports.study import Study


def applicable(study: Study) -> str | None:
    """Return why there is nothing to draw."""
    if not any(not path.endswith("/name") for path in study.varying):
        return "no setting varies"
    return None if len(study.eligible) > 1 else "fewer than two trials are complete and above the floor"


def compute(study: Study) -> list[Block]:
    """Return the view, which begins with the most important setting."""
    paths = [path for path in study.varying if not path.endswith("/name")]
    important = [path for path in ranked(study) if path in paths]
    caption = "Each complete trial by one of its settings and an objective; of defenses that have the setting."
    return [Live("slices", caption, {"first": (important or paths)[0]})]


CARD = Card(
    name="slices", title="A setting against the objectives", group="The search", compute=compute, applicable=applicable
)
