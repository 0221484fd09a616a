"""Checks that a defense's constructor makes on its settings, all with one wording."""

import math
from collections.abc import Sequence


def number(setting: str, value: object, *, least: float = 0.0, most: float = math.inf) -> float:
    """Return a finite number in ``[least, most]``.

    Raises:
        ValueError: it is of another type (a bool included), not finite or out of range.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        converted = float(value)
        if math.isfinite(converted) and least <= converted <= most:
            return converted
    raise ValueError(f"{setting} takes a finite number {_range(least, most)}, not {value!r}")


def whole(setting: str, value: object, *, least: int = 0, most: int | None = None) -> int:
    """Return a whole number in ``[least, most]``.

    Raises:
        ValueError: it is of another type (a bool or a float included) or out of range.
    """
    high = math.inf if most is None else most
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= high:
        return value
    raise ValueError(f"{setting} takes a whole number {_range(least, high)}, not {value!r}")


def flag(setting: str, value: object) -> bool:
    """Return a truth value.

    Raises:
        ValueError: it is of another type (0 and 1 included).
    """
    if isinstance(value, bool):
        return value
    raise ValueError(f"{setting} takes true or false, not {value!r}")


def choice(setting: str, value: object, known: Sequence[str]) -> str:
    """Return one of the known words.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"{setting} takes {' or '.join(known)}, not {value!r}")


def _range(least: float, most: float) -> str:
    return f">= {least:g}" if most == math.inf else f"in [{least:g}, {most:g}]"
