"""What makes two studies the same one, and a study as plain values."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from harness.records import Value, former
from harness.study.attacker_levels import own
from harness.study.distributions import Choices, Range, same
from harness.study.limits import Limits

S = TypeVar("S", bound=Value)

CIRCUMSTANCES = (
    "search/trials",
    "search/limits",
    "resources",
    "keep",
    "data/root",
    "data/download",
    "attacker/root",
    "attacker/levels",
    "storage",
    "tracking",
    "extends",
    "ledger",
    "version",
)
"""Paths that are no part of what a study is."""

LEVELS = "attacker/images"
"""Where the levels are told at which attacks are run beside the study's own, which alone is part of what it is."""


def plain(value: Any) -> Any:
    """Return a value of a study as mappings, lists and scalars, in the file's order."""
    if isinstance(value, Value):
        return {name: plain(entry) for name, entry in value}
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    return value.plain() if isinstance(value, Range | Choices) else value


def silent(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a study's plain values without a choice left as it was before there was one: it is still that study."""
    attacker = shown["attacker"]
    if attacker.get("levels") == "front":
        del attacker["levels"]
    if attacker["data"] == "same" and attacker["images"] is None and "levels" not in attacker:
        del shown["attacker"]
    if shown["extends"] is None:
        del shown["extends"]
    if shown["search"]["origin"] is None:
        del shown["search"]["origin"]
    if shown["search"]["limits"] == plain(Limits()):
        del shown["search"]["limits"]
    for share in (shown["resources"]["train"], shown["resources"]["attack"]):
        for key in ("gpu_memory", "memory", "accelerator", "custom"):
            if not share.get(key):
                share.pop(key, None)
    for choice in shown["attacks"].values():
        if choice["tune"] == 0:
            del choice["tune"]
    return shown


def without_former(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a study's plain values without keys that mean what their absence meant before there were any."""
    for path, meaning in former(shown["train"]["recipe"]).items():
        section, key = path.split("/")
        if equal(shown[section].get(key), meaning):
            shown[section].pop(key, None)
    return shown


def identity(study: Value, unknown: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a study is: its resolved file without circumstances, with the order in which branches take turns.

    A key that means what its absence meant before is left out: a study of before is the same one still.

    Args:
        study: The study.
        unknown: Paths that its file's version did not have.
    """
    said = plain(study)
    said["attacker"]["images"] = own(said["attacker"]["images"])
    said["attacker"].pop("levels", None)
    shown = without_former(silent(said))
    for path in (*CIRCUMSTANCES, *unknown):
        *parents, last = path.split("/")
        owner = shown
        for parent in parents:
            owner = owner.get(parent, {})
        owner.pop(last, None)
    if shown["search"].get("origin", {}).get("take") == "anchors":
        del shown["search"]["origin"]  # the settings themselves are among the anchors
    return shown | {"order": {role: list(shown[role] or {}) for role in ("defense", "term")}}


def elsewhere(study: S, other: S) -> S:
    """Return a study under the circumstances of another one that is the same: what it is stays to the letter."""
    update: dict[str, Any] = {}
    for path in (*CIRCUMSTANCES, LEVELS):
        section, _, key = path.partition("/")
        if key:
            owner = update.get(section, getattr(study, section))
            update[section] = owner.model_copy(update={key: getattr(getattr(other, section), key)})
        elif path not in ("extends", "ledger", "version"):
            update[section] = getattr(other, section)
    return study.model_copy(update=update)


def digest(study: Value, unknown: Iterable[str] = ()) -> str:
    """Return the SHA-256 of what a study is, hexadecimal; arguments as of ``identity``."""
    text = json.dumps(identity(study, unknown), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Difference(NamedTuple):
    """A path at which two studies are not the same one, with the values there as JSON, or ``absent``."""

    path: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"{self.path} is {self.one}, not {self.other}"


def first_difference(one: Value, other: Value) -> Difference | None:
    """Return the first path at which two studies are not the same one; null if they are."""
    return next(differences(one, other), None)


def differences(one: Value, other: Value) -> Iterator[Difference]:
    """Yield every path at which two studies are not the same one; numbers are compared by what they are, 1 is 1.0."""
    left, right = dict(_leaves(identity(one))), dict(_leaves(identity(other)))
    for path in [*left, *(path for path in right if path not in left)]:
        if path not in left or path not in right or not equal(left[path], right[path]):
            yield Difference(path, *(json.dumps(side[path]) if path in side else "absent" for side in (left, right)))


def equal(one: Any, other: Any) -> bool:
    """Say whether two plain values are the same, numbers by what they are."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(same(one, other))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _leaves(entry, f"{path}/{key}" if path else str(key))
    else:
        yield path, value
