"""An error on one line."""

from pydantic import ValidationError


def one_line(error: Exception | str) -> str:
    """Return an error's message on one line: of a validation error, its first complaint with its place and value."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']} (got {str(first['input'])[:60]!r})".removeprefix(": ")
    return " ".join(str(error).split())
