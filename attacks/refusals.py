"""That a bad number is refused by its name: what the contracts for attacks, defenses and networks share."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any


def bad_numbers(settings: Mapping[str, Any], signed: Collection[str]) -> Iterator[tuple[str, float]]:
    """Yield names of numeric settings with values that they cannot have.

    Args:
        settings: By name.
        signed: Names of those that may be negative.
    """
    for name, value in settings.items():
        if type(value) in (int, float):
            if name not in signed:
                yield name, -1
            if isinstance(value, float):
                yield name, math.nan


def must_refuse(create: Callable[[], object], name: str, value: float) -> None:
    """Check that making something raises a ``ValueError`` that names the setting with the bad value.

    Raises:
        AssertionError: it is accepted, or the message does not name it.
    """
    try:
        create()
    except ValueError as error:
        if name not in str(error):
            raise AssertionError(f"refusing {name}={value}, the message does not name it: {error}") from error
    else:
        raise AssertionError(f"{name}={value} is accepted")
