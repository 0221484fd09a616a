"""What confirming has shown, trial by trial."""

from reports.card import Block, Card, Part, Plot, Words
from reports.confirmed import applicable as _applicable
from reports.confirmed import confirmed_table, confirmed_words
from reports.confirmed_front import confirmed_chart, confirmed_pair
from reports.confirmed_gains import gains, gains_table
from reports.study import Study


def applicable(study: Study) -> str | None:
    """Return why there is nothing to show."""
    return _applicable(study.data)


def compute(study: Study) -> list[Block]:
    """Return the candidates, what each buys, and the front against ssim."""
    rows = study.candidates
    assert rows is not None
    bought = gains_table(rows, gains(study.data, rows))
    blocks: list[Block] = [Words(confirmed_words(study.data, rows)), confirmed_table(study.data, rows)]
    if bought.rows:
        blocks.append(Part("What each buys over no defense", [bought]))
    if rows["ssim"].notna().any():
        chart = confirmed_chart(confirmed_pair(study.data, rows, "accuracy", "ssim"), study.looks)
        caption = "Accuracy against the ssim of the worst attack on the test part, its axis reversed."
        blocks.append(Plot("confirmed-accuracy-ssim", caption, chart))
    return blocks


CARD = Card(
    name="confirmed",
    title="Confirmed",
    group="The answer",
    compute=compute,
    applicable=applicable,
    pictures=("confirmed-accuracy-ssim",),
)
