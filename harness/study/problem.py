"""What is wrong with a study file, as a path and one line."""

import difflib
import re
import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.study.study import Study

_WANTED = {
    "string_type": "takes text",
    "bool_type": "takes true or false",
    "int_type": "takes a whole number",
    "float_type": "takes a number",
    "dict_type": "takes a mapping, key: value",
    "model_type": "takes a mapping, key: value",
    "tuple_type": "takes a list",
    "finite_number": "takes a finite number",
}


WRITTEN = {"origin": "from"}
"""Keys of a study as people write them, where that is not what their directory notes."""


class Problem(Exception):  # noqa: N818  # becomes a UserError once it is known where the value was written
    """A value that a study cannot have."""

    def __init__(self, path: str, text: str, nearest: str | None = None) -> None:
        super().__init__(f"{path}: {text}")
        self.path, self.text = path, " ".join(text.split())
        self.nearest = nearest
        """The key that was probably meant by an unknown one."""


def problem_of(error: ValidationError) -> Problem:
    """Return the first of pydantic's complaints: an unknown key before all others, since it explains a missing one."""
    found = sorted(error.errors(), key=lambda complaint: complaint["type"] != "extra_forbidden")[0]
    steps, given, kind = [str(step) for step in found["loc"]], found["input"], found["type"]
    path, context = "/".join(steps), found.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key("/".join(steps[:-1]), steps[-1], _accepted(steps[:-1]))
    if kind == "missing":
        return Problem(path, f"is missing; write `{steps[-1]}: ...`")
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "literal_error":
        close = suggestion(given, re.findall(r"'(.*?)'", context["expected"])) if isinstance(given, str) else ""
        return Problem(path, f"takes {context['expected']}, not {given!r}{close}")
    if kind == "too_short":
        return Problem(path, f"{given!r}: name at least one")
    wanted = _WANTED.get(kind, found["msg"].replace("Input should be", "should be"))
    return Problem(path, f"{wanted}, not {given!r}")


def unknown_key(owner: str, key: str, accepted: Iterable[str]) -> Problem:
    """Return the refusal of a key, with what stands close to it and what is accepted beside it."""
    known = list(accepted)
    text = f"unknown key{suggestion(key, known)}; {listed(owner, known)}"
    return Problem(f"{owner}/{key}" if owner else key, text, _closest(key, known))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question that names the closest known word, empty if none is close."""
    close = _closest(word, known)
    return f"; did you mean {close}?" if close else ""


def _closest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def listed(owner: str, known: Iterable[str]) -> str:
    """Return what is accepted at a level, in words."""
    return f"{owner or 'a study'} takes {', '.join(known) or 'no keys'}"


def _accepted(steps: list[str]) -> list[str]:
    """Return the keys of the section at a path of the study file."""
    kind: Any = Study
    for step in steps:
        kind = _within(kind, step)
    return [WRITTEN.get(name, name) for name in kind.model_fields]


def _within(kind: Any, step: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _bare(kind.model_fields[step].annotation)
    return _bare(typing.get_args(kind)[-1])


def _bare(kind: Any) -> Any:
    """Return a type without annotations and without null."""
    if typing.get_origin(kind) is typing.Annotated:
        return _bare(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return _bare(next(part for part in typing.get_args(kind) if part is not type(None)))
    return kind
