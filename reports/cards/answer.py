"""The answer: what is on the front and how sure, what each buys over no defense, and what is undecided."""

from reports.card import Block, Card, Note, Plot, Words
from reports.confirmed import answer_words
from reports.confirmed_front import confirmed_chart, confirmed_pair
from reports.confirmed_gains import gains, gains_words
from reports.study import Study
from reports.words import findings

UNSURE = (
    "Nothing is confirmed yet: these are numbers that the search chose by, and the best of many looks better than it "
    "is. `invfront confirm` trains the front again with fresh seeds and says how sure it is."
)


def compute(study: Study) -> list[Block]:
    """Return sentences and one figure; of a study that nobody confirmed, what the search saw."""
    rows = study.candidates
    if rows is None:
        told = findings(study.data)
        return [Words(told), *([Note(UNSURE, "mark")] if len(study.front) else [])]
    words = answer_words(rows, gains_words(rows, gains(study.data, rows)))
    if rows["mse"].isna().all():
        return [Words(words), Note("No training has all objectives yet.", "missing")]
    chart = confirmed_chart(confirmed_pair(study.data, rows, "accuracy", "mse"), study.looks)
    caption = (
        "The confirmed front: accuracy against the mse of the worst attack on the test part, mean over seeds with "
        "intervals of 95 %. The upper right is better; what a defense buys is how far above the undefended (grey) it "
        "stands. Lines: what the front of the seeds attains in one seed (dotted), in half of them, in all (dashed)."
    )
    return [Words(words), Plot("confirmed-accuracy-mse", caption, chart)]


CARD = Card(
    name="answer", title="The answer", group="The answer", compute=compute, pictures=("confirmed-accuracy-mse",)
)
