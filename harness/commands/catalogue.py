"""``invfront defenses`` and ``invfront attacks``: what there is to choose from."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print a list of JSON objects.")]


def defenses(as_json: Json = False) -> None:
    """List the defenses and their settings.

    \b
    Examples:
      invfront defenses
      invfront defenses --json
    """
    from defenses import DEFENSES, settings

    rows = [
        {
            "name": name,
            "reference": defense.reference,
            "faithful": defense.faithful,
            "settings": {setting: _plain(default) for setting, default in settings(defense).items()},
            "strength": defense.strength,
            "bound": defense.bound,
            "cost": defense.cost,
        }
        for name, defense in DEFENSES.items()
    ]
    _print(rows, as_json)


def attacks(as_json: Json = False) -> None:
    """List the attacks: who attacks with what knowledge, what it costs, and the budgets there are.

    \b
    Examples:
      invfront attacks
      invfront attacks --json
    """
    from attacks import ATTACKS

    rows = [
        {
            "name": name,
            "reference": attack.reference,
            "kind": attack.kind,
            "knowledge": attack.knowledge,
            "needs_server": attack.needs_server,
            "budgets": attack.budgets,
        }
        for name, attack in ATTACKS.items()
    ]
    if as_json:
        _print(rows, as_json)
        return
    for name, attack in ATTACKS.items():
        typer.echo(name)
        knows = f"{attack.knowledge}, server" if attack.needs_server else attack.knowledge
        kind = f"{attack.kind}, version {attack.version}"
        told = {
            "kind": kind,
            "threat": attack.threat,
            "knowledge": knows,
            "cost": attack.cost,
            "reference": attack.reference,
        }
        for field, text in told.items():
            typer.echo(f"  {field}: {text}")
        for budget, settings in attack.budgets.items():
            typer.echo(f"  {budget}: {_words(settings)}")


def _plain(default: Any) -> Any:
    """Return a default as JSON has it; a setting that must be given has null."""
    return default if default is None or isinstance(default, bool | int | float | str) else None


def _print(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(row["name"])
        for field, value in row.items():
            if field != "name":
                typer.echo(f"  {field}: {_words(value)}")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return (
            ", ".join(
                f"{key} ({_words(inner)})" if isinstance(inner, dict) else f"{key}={inner}"
                for key, inner in value.items()
            )
            or "none"
        )
    return "none" if value is None else str(value)
