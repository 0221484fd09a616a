"""``invfront defenses``: the defenses and their settings."""

from typing import Any

from harness.commands.listing import show
from harness.commands.options import Json


def defenses(as_json: Json = False) -> None:
    """List the defenses: their sources, settings and costs.

    \b
    Examples:
      invfront defenses
      invfront defenses --json

    \b
    JSON: a list of name, reference, faithful, settings, strength, bound, cost.
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
    show(rows, rows, as_json)


def _plain(default: Any) -> Any:
    """Return a default as JSON has it; a setting that must be given has null."""
    return default if default is None or isinstance(default, bool | int | float | str) else None
