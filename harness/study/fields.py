"""The kinds of fields a study file has, each refusing what it cannot be with the way out."""

import math
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

from harness.records import Scalar
from harness.study.distributions import Choices, Range, Setting, probes, read, scalar

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DURATION = re.compile(r"(\d+(?:\.\d*)?)\s*([smhd])")
_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*(B|KiB|MiB|GiB|TiB)")
_POWERS = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 3650
"""Days; clocks of operating systems overflow beyond some centuries."""


def setting(check: Callable[[Scalar], Scalar]) -> PlainValidator:
    """Return a validator of a constant or distribution whose every value passes ``check``, which may convert it."""

    def validate(value: object) -> Setting:
        entry = read(value)
        checked = tuple(check(probe) for probe in probes(entry))
        if isinstance(entry, Choices):
            return Choices(checked)
        return entry if isinstance(entry, Range) else checked[0]

    return PlainValidator(validate)


def whole(least: int) -> Callable[[Scalar], Scalar]:
    """Return a check for whole numbers."""

    def check(value: Scalar) -> Scalar:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"takes a whole number >= {least}, not {value!r}")
        return value

    return check


def number(
    *, least: float = 0.0, above: float = -math.inf, most: float = math.inf, below: float = math.inf
) -> Callable[[Scalar], Scalar]:
    """Return a check for finite numbers, which become floats."""
    wanted = f"> {above:g}" if above >= least else f">= {least:g}"
    wanted += f" and <= {most:g}" if most < math.inf else f" and < {below:g}" if below < math.inf else ""

    def within(value: float) -> bool:
        return least <= value <= most and above < value < below

    def check(value: Scalar) -> Scalar:
        if isinstance(value, bool) or not isinstance(value, int | float) or not within(value):
            raise ValueError(f"takes a number {wanted}, not {value!r}")
        return float(value)

    return check


def boolean(value: Scalar) -> Scalar:
    """Return a boolean as it is."""
    if not isinstance(value, bool):
        raise ValueError(f"takes true or false, not {value!r}")
    return value


def text(value: Scalar) -> Scalar:
    """Return a text as it is."""
    if not isinstance(value, str):
        raise ValueError(f"takes text, not {value!r}")
    return value


def optional(check: Callable[[Scalar], Scalar]) -> Callable[[Scalar], Scalar]:
    """Return a check that lets null through."""
    return lambda value: None if value is None else check(value)


def _named(value: object) -> object:
    if isinstance(value, str) and not NAME.fullmatch(value):
        raise ValueError(f"{value!r}: a name is up to 100 of a-z, 0-9, _, . and -, the first a-z or 0-9")
    return value


def _uuid(value: object) -> object:
    if isinstance(value, str) and not _UUID.fullmatch(value):
        raise ValueError(f"{value!r} is no UUID; leave ledger out, a study's directory gets its own")
    return value


def bytes_of(value: object) -> int:
    """Return a size, ``8GiB`` or a number of bytes, in bytes."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = float(found[1]) * 1024 ** _POWERS.index(found[2]) if found else value
    if isinstance(size, bool) or not isinstance(size, int | float) or not 1 <= size <= 1024**5:
        raise ValueError(f"takes a size such as 512MiB, 8GiB, 1TiB or a number of bytes, not {value!r}")
    return int(size)


def _seconds(value: object) -> object:
    """Return a duration, ``2h`` or a number of seconds, in seconds."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = float(found[1]) * _SECONDS[found[2]] if found else value
    longest = _LONGEST * _SECONDS["d"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= longest:
        known = f"takes a duration > 0 such as 90s, 5m, 2h or a number of seconds, at most {_LONGEST}d"
        raise ValueError(f"{known}, not {value!r}")
    return float(seconds)


Name = Annotated[str, BeforeValidator(_named)]
Uuid = Annotated[str, BeforeValidator(_uuid)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Bytes = Annotated[int, BeforeValidator(bytes_of)]
Whole = Annotated[Setting, setting(whole(1))]
Several = Annotated[Setting, setting(whole(2))]
OptionalWhole = Annotated[Setting, setting(optional(whole(1)))]
Multiplier = Annotated[Setting, setting(number(above=0.0, most=16.0))]
NonNegative = Annotated[Setting, setting(number())]
OptionalShare = Annotated[Setting, setting(optional(number(most=1.0)))]
ShareBelowOne = Annotated[Setting, setting(number(below=1.0))]
Target = Annotated[Setting, setting(optional(number(above=0.0, below=1.0)))]
Flag = Annotated[Setting, setting(boolean)]
Text = Annotated[Setting, setting(text)]
Free = Annotated[Setting, PlainValidator(read)]
Constant = Annotated[Scalar, PlainValidator(scalar)]
