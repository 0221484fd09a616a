"""A list of what there is to choose from, for people or as JSON."""

from collections.abc import Sequence
from typing import Any

import typer

from harness.commands.options import say

Row = dict[str, Any]


def show(rows: Sequence[Row], told: Sequence[Row], as_json: bool) -> None:
    """List what there is.

    Args:
        rows: For programs, each with its ``name``.
        told: The same for people; every other entry is a line below the name.
        as_json: Whether a program reads it.
    """
    if as_json:
        say(rows)
        return
    for row in told:
        typer.echo(row["name"])
        for field, value in row.items():
            if field != "name":
                typer.echo(f"  {field}: {words(value)}")


def words(value: Any) -> str:
    """Return a value of a row in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={inner}" for key, inner in value.items()) or "none"
    return "none" if value is None else str(value)
