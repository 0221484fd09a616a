"""An error on one line, and text of elsewhere without what a terminal or a page would obey."""

import re

from pydantic import ValidationError

_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
"""What terminals obey: colours, moves, titles."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that are not to be seen, those that turn the direction of writing among them."""


def one_line(error: Exception | str) -> str:
    """Return an error's message on one line: of a validation error, its first complaint with its place and value."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']} (got {str(first['input'])[:60]!r})".removeprefix(": ")
    return " ".join(plain(str(error)).split())


def plain(text: str) -> str:
    """Return text without control characters, the codes of colours among them; line ends and tabs stay."""
    return _CONTROL.sub("", _CODES.sub("", text))
