"""``invfront claims``: a leaderboard of passports."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Json, remarks_apart, say


def claims(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of passports.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the page is written; the folder itself by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a page of passports: which claims stand, which fell.

    The passports and the attacks that are kept beside them are all that is read; nothing in them is run. Claims on
    other images, or scored by other metrics, stand in tables of their own. What is no passport is listed, with why.

    \b
    Examples:
      invfront claims passports
      invfront claims passports --out public

    \b
    JSON: page, claims [{file, stands, fell_to, accuracy, mse, ssim}], refused [{file, why}].
    """
    from harness.passports.leaderboard import board
    from reports.claims import render, words
    from reports.formats import is_missing

    found = board(folder)
    with remarks_apart(as_json):
        page = render(found.claims, found.refused, out or folder)
        for line in words(found.claims, found.refused):
            typer.echo(line)
        for _, why in found.refused:
            typer.echo(f"  {why}")
        typer.echo(f"claims: {page}")
    if as_json:
        shown = found.claims[["file", "stands", "fell_to", "accuracy", "mse", "ssim"]]
        rows = [
            {name: None if is_missing(value) else value for name, value in row.items()}
            for row in shown.astype(object).to_dict("records")
        ]
        say(
            {
                "page": str(page),
                "claims": rows,
                "refused": [{"file": name, "why": why} for name, why in found.refused],
            }
        )
