"""What a study file may have where: keys are text, and distributions stand under few sections."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.study.distributions import is_distribution
from harness.study.problem import Problem

OPEN = ("model", "train", "defense", "term")
"""Sections in which a value may be a distribution."""
FIXED = ("model/name", "train/recipe")
"""Values of those sections that all trials share all the same."""


def refuse_odd_keys(given: Mapping[Any, Any]) -> None:
    """Refuse keys that are not text: YAML reads ``1``, ``on`` and ``null`` as something else."""
    for path, key, _ in _walk(given):
        if not isinstance(key, str):
            raise Problem(path, f"key {key!r} is not text; put it in quotes")


def refuse_misplaced(given: Mapping[Any, Any]) -> None:
    """Refuse distributions where a study has none."""
    for path, _, value in _walk(given):
        if is_distribution(value) and (path.split("/")[0] not in OPEN or path in FIXED):
            raise Problem(path, _misplaced(path, value))


def _walk(given: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path, key and value of everything in nested mappings."""
    for key, value in given.items():
        here = f"{path}/{key}" if path else str(key)
        yield here, key, value
        if isinstance(value, Mapping):
            yield from _walk(value, here)


def _misplaced(path: str, value: object) -> str:
    if path.startswith("attacks"):
        return (
            f"{value!r}: attacks are fixed parts of the benchmark, a search over them would find the weakest; "
            "name one budget, or run a study for each"
        )
    where = f"{', '.join(OPEN)}, {' and '.join(FIXED)} apart"
    return f"{value!r}: only settings under {where}, may be distributions; give one value"
