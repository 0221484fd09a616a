"""Figures of published tables, under their own convention; marked where no attack can have produced them."""

from reports.card import Block, Card, Note
from reports.dominance import DIRECTIONS
from reports.formats import Table, number
from reports.points import floor_of
from reports.study import Study
from reports.tables import StudyData


def published_table(data: StudyData) -> Table:
    """Return figures of published tables, which follow a convention of their own."""
    guess = floor_of(data, "mse")
    rows = [
        (
            *(number(row.get(name), name) for name in ("table", "method", "accuracy", "mse")),
            number(row.get("ssim"), "ssim"),
            _doubt(row.get("mse"), guess),
            number(row.get("note"), "note"),
        )
        for row in data.study["published"]
    ]
    headers = ("table", "method", *DIRECTIONS, "no attack", "convention")
    return Table("As published.", headers, rows, frozenset(headers[2:5]), roomy=frozenset({"no attack"}))


def applicable(study: Study) -> str | None:
    """Return why there is nothing to compare with."""
    return None if study.data.study["published"] else "no published figures of this data set are known"


def compute(study: Study) -> list[Block]:
    """Return the table under its warning."""
    table = published_table(study.data)
    column = table.headers.index("no attack")
    if not any(row[column] for row in table.rows):
        kept = [index for index in range(len(table.headers)) if index != column]
        rows = [tuple(row[index] for index in kept) for row in table.rows]
        table = table._replace(headers=tuple(table.headers[index] for index in kept), rows=rows)
    return [Note("under their own convention: not comparable with this study", "mark"), table]


def _doubt(mse: object, guess: float | None) -> str:
    """Return why no attack that works can have come to this error; empty where one may."""
    if not isinstance(mse, float) or guess is None or mse <= guess:
        return ""
    return f"above {number(guess, 'mse')}, the mean image's: in units of [0, 1] no attack that works is worse than that"


CARD = Card(name="published", title="Published figures", group="The study", compute=compute, applicable=applicable)
