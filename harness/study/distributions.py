"""What a setting may be in a study file: one value, a range, or a list of choices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from harness.records import Scalar

ROUNDING = 1e-12
"""Relative difference up to which two numbers are one, computed in two ways."""

KEYS = frozenset({"low", "high", "log", "step", "choices"})
"""The keys that make a mapping a distribution."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole numbers exactly if both bounds are written as such."""

    low: int | float
    high: int | float
    log: bool = False
    """Uniform in the logarithm."""
    step: int | float | None = None

    def contains(self, value: Scalar) -> bool:
        """Say whether the range can draw a value."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.grid is None:
            return self.low <= value <= self.high
        return self.position(value) is not None

    def size(self) -> int | None:
        """Return how many values the range can draw, None for infinitely many."""
        if self.grid is None:
            return 1 if self.low == self.high else None
        if isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.grid, int):
            return (self.high - self.low) // self.grid + 1
        return round((self.high - self.low) / self.grid) + 1

    @property
    def grid(self) -> int | float | None:
        """Distance of neighbouring values; null where there is a value between any two."""
        return self.step or (1 if isinstance(self.low, int) else None)

    def position(self, value: Scalar) -> int | None:
        """Return which value of a grid a number is, counted from 0, however it was computed; null if it is none."""
        if self.grid is None or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        place = (value - self.low) / self.grid
        index = round(place)
        return index if _whole(place) and 0 <= index < (self.size() or 0) else None

    def at(self, index: int) -> int | float:
        """Return a value of a grid by its position: the decimal number that ``low`` plus steps is on paper."""
        if self.grid is None or (isinstance(self.low, int) and isinstance(self.grid, int)):
            return self.low + index * (self.grid or 0)
        return float(Decimal(repr(self.low)) + index * Decimal(repr(self.grid)))

    def settled(self, value: Scalar) -> Scalar:
        """Return a value as the grid has it; one that is none of the grid's as it is."""
        index = self.position(value)
        return value if index is None else self.at(index)

    def plain(self) -> dict[str, Scalar]:
        """Return the range as the study file has it."""
        shown: dict[str, Scalar] = {"low": self.low, "high": self.high}
        return shown | ({"log": True} if self.log else {}) | ({} if self.step is None else {"step": self.step})


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Scalar, ...]

    def contains(self, value: Scalar) -> bool:
        """Say whether a value is among the choices; true is not 1."""
        return self.position(value) is not None

    def size(self) -> int:
        """Return how many choices there are."""
        return len(self.values)

    def position(self, value: Scalar) -> int | None:
        """Return which of the choices a value is, counted from 0; null if it is none."""
        return next((index for index, choice in enumerate(self.values) if same(value, choice)), None)

    def at(self, index: int) -> Scalar:
        """Return a choice by its position."""
        return self.values[index]

    def settled(self, value: Scalar) -> Scalar:
        """Return a value as it stands among the choices; one that is none of them as it is."""
        index = self.position(value)
        return value if index is None else self.at(index)

    def plain(self) -> dict[str, list[Scalar]]:
        """Return the choices as the study file has them."""
        return {"choices": list(self.values)}


Distribution = Range | Choices
Setting = Scalar | Distribution


def same(one: Scalar, other: Scalar) -> bool:
    """Say whether two values are the same setting: 1 is 1.0 and .1 + .2 is .3, but true is not 1."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or math.isclose(one, other, rel_tol=ROUNDING)
    return one == other


def alike(setting: Setting, one: Scalar, other: Scalar) -> bool:
    """Say whether two values stand for the same one of a setting's: by their position where it has any."""
    if isinstance(setting, Distribution):
        place = setting.position(one)
        if place is not None:
            return place == setting.position(other)
    return same(one, other)


def holds(setting: Setting, value: Scalar) -> bool:
    """Say whether a setting can have a value."""
    return setting.contains(value) if isinstance(setting, Distribution) else same(setting, value)


def is_distribution(value: object) -> bool:
    """Say whether a mapping of a study file means a distribution."""
    return isinstance(value, Mapping) and bool(value.keys() & {"low", "high", "choices"})


def read(value: object) -> Setting:
    """Return a setting from its plain form.

    Raises:
        ValueError: it is neither a value nor a distribution that makes sense.
    """
    if isinstance(value, Mapping):
        return _choices(value) if "choices" in value else _range(value)
    return scalar(value)


def scalar(value: object) -> Scalar:
    """Return a single value: text, a boolean, a finite number or null.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no setting; take a finite number")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"takes a value, {{low, high}} or {{choices: [...]}}, not {value!r}")


def probes(setting: Setting) -> tuple[Scalar, ...]:
    """Return the values that a check tries: all choices, both ends of a range, or the one value."""
    if isinstance(setting, Choices):
        return setting.values
    return (setting.low, setting.high) if isinstance(setting, Range) else (setting,)


def _choices(value: Mapping[object, object]) -> Choices:
    others = sorted(str(key) for key in value.keys() - {"choices"})
    if others:
        raise ValueError(f"choices stand alone, not beside {', '.join(others)}; write {{choices: [...]}}")
    listed = value["choices"]
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"choices takes a list of at least one value, not {listed!r}")
    choices = tuple(scalar(choice) for choice in listed)
    twice = [choice for index, choice in enumerate(choices) if Choices(choices[:index]).contains(choice)]
    if twice:
        raise ValueError(f"choices has {twice[0]!r} twice; list every value once")
    return Choices(choices)


def _range(value: Mapping[object, object]) -> Range:
    unknown = sorted(str(key) for key in value.keys() - KEYS)
    if unknown or not {"low", "high"} <= value.keys():
        wrong = f"has {', '.join(unknown)}" if unknown else "needs both low and high"
        raise ValueError(f"a distribution {wrong}; write {{low, high}} with log or step, or {{choices: [...]}}")
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log takes true or false, not {log!r}")
    low, high = _number("low", value["low"]), _number("high", value["high"])
    step = None if value.get("step") is None else _number("step", value["step"])
    if not (isinstance(low, int) and isinstance(high, int)):
        low, high, step = float(low), float(high), None if step is None else float(step)
    _check_range(low, high, log, step)
    return Range(low=low, high=high, log=log, step=step)


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    if low > high:
        raise ValueError(f"low {low} is above high {high}; swap them")
    if log and low <= 0:
        raise ValueError(f"log needs low > 0, not {low}; raise low or leave log out")
    if step is None:
        return
    if log:
        raise ValueError(f"step {step} and log cannot stand together; leave one out")
    if step <= 0:
        raise ValueError(f"step {step}: takes a number > 0")
    if isinstance(low, int) and not isinstance(step, int):
        raise ValueError(f"step {step} between whole numbers; write low as {low}.0, or take a whole step")
    if not math.isfinite((high - low) / step):
        raise ValueError(f"step {step} is too small between {low} and {high}; take a larger one")
    if not _whole((high - low) / step):
        last = Range(low=low, high=high, step=step).at(math.floor((high - low) / step))
        raise ValueError(f"high {high} is no whole number of steps of {step} above low {low}; take high: {last:g}")


def _number(name: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} takes a finite number, not {value!r}")
    return value


def _whole(count: float) -> bool:
    return abs(count - round(count)) < 1e-6
