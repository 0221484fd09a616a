"""A list of what there is to choose from, for people or as JSON."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print a list of JSON objects.")]


def show(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(row["name"])
        for field, value in row.items():
            if field != "name":
                typer.echo(f"  {field}: {words(value)}")


def words(value: Any) -> str:
    if isinstance(value, dict):
        return (
            ", ".join(
                f"{key} ({words(inner)})" if isinstance(inner, dict) else f"{key}={inner}"
                for key, inner in value.items()
            )
            or "none"
        )
    return "none" if value is None else str(value)
