"""``--set PATH=VALUE``: pins or replaces anything in a study file, a whole branch included."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import search_spaces
from harness.errors import UserError
from harness.study.problem import Problem, listed, suggestion

BRANCHED = ("defense", "term")
"""Sections whose branches are alternatives, one of which a trial takes."""


class Override(NamedTuple):
    """One replacement."""

    path: str
    value: object
    shown: str
    """As the user wrote it."""


def parse(text: str) -> Override:
    """Return an override from ``PATH=VALUE``, the value read as YAML.

    Raises:
        Problem: it has no path, or its value is not YAML.
    """
    path, equals, value = text.partition("=")
    steps = path.strip().strip("/").split("/")
    if not equals or not all(steps):
        raise Problem(text, "takes PATH=VALUE such as model/sigma=0.1")
    try:
        return Override("/".join(steps), search_spaces.parse(value), f"--set {text}")
    except ValueError as error:
        raise Problem("/".join(steps), f"{value!r}: {error}") from error


def refuse_others(texts: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse overrides of anything but some paths and what is in them.

    Raises:
        UserError: says which paths may be set.
    """
    for text in texts:
        path = text.partition("=")[0].strip().strip("/")
        if not any(f"{path}/".startswith(f"{prefix}/") for prefix in allowed):
            *first, last = allowed
            raise UserError(f"--set {text}: takes {', '.join(first)} and {last}; all else is the study's")


def apply(study: dict[str, Any], override: Override) -> None:
    """Replace the value at a path.

    Raises:
        Problem: the path leads through what is not a section.
    """
    *owners, last = override.path.split("/")
    section, walked = study, ""
    for step in owners:
        section, walked = _into(section, walked, step), f"{walked}/{step}" if walked else step
    if walked in BRANCHED and last == "name":
        study[walked] = _kept(walked, section, override.value)
    else:
        section[last] = override.value


def _into(section: dict[str, Any], walked: str, step: str) -> dict[str, Any]:
    """Return the section below, which is made if the file leaves it out."""
    path = f"{walked}/{step}" if walked else step
    if walked in (*BRANCHED, "attacks") and step not in section:
        known = ", ".join(section) or "none"
        hint = "" if suggestion(step, section) else f"; to add one, set {path} itself"
        raise Problem(path, f"no such branch{suggestion(step, section)}; {walked} has {known}{hint}")
    below = section.setdefault(step, {})
    if walked == "attacks" and isinstance(below, str):
        below = section[step] = {"budget": below}
    if below is None:
        below = section[step] = {}
    if not isinstance(below, dict):
        raise Problem(path, f"is {below!r}, which has no keys; set {path} as a whole")
    return below


def _kept(role: str, given: Mapping[str, Any], wanted: object) -> dict[str, Any]:
    """Return only the branches named: ``defense/name=none``, ``defense/name={choices: [none, laplace]}``."""
    names = wanted.get("choices") if isinstance(wanted, dict) else [wanted]
    if not isinstance(names, list) or not names:
        raise Problem(f"{role}/name", f"takes a branch or {{choices: [...]}}, not {wanted!r}")
    for name in names:
        if name not in given:
            raise Problem(f"{role}/name", f"{name!r} is no branch{suggestion(str(name), given)}; {listed(role, given)}")
    return {name: given[name] for name in names}
