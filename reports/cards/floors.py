"""What can be had without the release, beside which every attack stands."""

import pandas as pd

from reports.card import Block, Card, Note
from reports.formats import Table, number
from reports.points import GUESSES
from reports.study import Study
from reports.tables import StudyData


def floors_table(data: StudyData) -> Table:
    """Return the guesses without z, median over trials with the range where it differs."""
    rows: list[tuple[str, ...]] = []
    groups = data.floors.groupby(["guess", "part"], sort=False) if len(data.floors) else ()
    for (guess, part), group in groups:
        rows.append(
            (
                GUESSES.get(guess, guess),
                part,
                *(_median_and_range(group[name], name) for name in ("mse", "psnr", "ssim")),
            )
        )
    headers = ("guess", "part", "mse", "psnr, dB", "ssim")
    caption = (
        "What can be guessed without the release (mean image; class mean, by the predicted label), and two yardsticks "
        "(each image's own mean colour; the nearest auxiliary image). Median over trials."
    )
    return Table(caption, headers, rows, frozenset(headers[2:]))


def compute(study: Study) -> list[Block]:
    """Return the table, or that nothing was scored."""
    table = floors_table(study.data)
    return [table if table.rows else Note("No guess has been scored yet.", "missing")]


def _median_and_range(values: "pd.Series[float]", name: str) -> str:
    low, middle, high = (number(value, name) for value in (values.min(), values.median(), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


CARD = Card(name="floors", title="Floors", group="Attacks", compute=compute)
