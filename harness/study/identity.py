"""What makes two studies the same one, and a study as plain values."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from harness.records import Value
from harness.study.distributions import Choices, Range

CIRCUMSTANCES = (
    "search/trials",
    "resources",
    "data/root",
    "data/download",
    "attacker/root",
    "storage",
    "tracking",
    "ledger",
    "version",
)
"""Paths that are no part of what a study is."""


def plain(value: Any) -> Any:
    """Return a value of a study as mappings, lists and scalars, in the file's order."""
    if isinstance(value, Value):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    return value.plain() if isinstance(value, Range | Choices) else value


def silent(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a study's plain values without a choice left as it was before there was one: it is still that study."""
    if shown["attacker"]["data"] == "same":
        del shown["attacker"]
    for choice in shown["attacks"].values():
        if choice["tune"] == 0:
            del choice["tune"]
    return shown


def identity(study: Value, unknown: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a study is: its resolved file without circumstances, with the order in which branches take turns.

    Args:
        study: The study.
        unknown: Paths that its file's version did not have.
    """
    shown = silent(plain(study))
    for path in (*CIRCUMSTANCES, *unknown):
        *parents, last = path.split("/")
        owner = shown
        for parent in parents:
            owner = owner.get(parent, {})
        owner.pop(last, None)
    return shown | {"order": {role: list(shown[role] or {}) for role in ("defense", "term")}}


def digest(study: Value, unknown: Iterable[str] = ()) -> str:
    """Return the SHA-256 of what a study is, hexadecimal; arguments as of ``identity``."""
    text = json.dumps(identity(study, unknown), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def first_difference(one: Value, other: Value) -> str | None:
    """Return the first path at which two studies are not the same one, with both values; None if they are."""
    left, right = dict(_leaves(identity(one))), dict(_leaves(identity(other)))
    for path in [*left, *(path for path in right if path not in left)]:
        values = left.get(path, "absent"), right.get(path, "absent")
        if values[0] != values[1]:
            return f"{path} is {values[0]}, not {values[1]}"
    return None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _leaves(entry, f"{path}/{key}" if path else str(key))
    else:
        yield path, json.dumps(value)
