"""Where a study's images lie: variables and ``~`` written out, and found beside the study file if nowhere nearer."""

import os
import re
from pathlib import Path

from harness.study.problem import Problem

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?:oc\.env:)?(?P<braced>\w+)(?:(?:,|:-)\s*(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)


def located(path: str, folder: str, beside: Path | None) -> str:
    """Return a folder as an absolute path.

    Args:
        path: Of the setting.
        folder: As written, with ``$NAME``, ``${NAME}``, ``${NAME:-default}`` or ``${oc.env:NAME,default}``; ``$$`` is a
            dollar.
        beside: The study file's folder, in which a relative one is looked for after the working directory; null if it
            was not written there.

    Raises:
        Problem: a variable is not set, or there is no such user.
    """
    try:
        given = Path(_VARIABLE.sub(lambda found: _value(path, folder, found), folder)).expanduser()
    except RuntimeError:
        raise Problem(path, f"{folder!r}: there is no such user; write the whole path") from None
    here = given.absolute()
    try:
        str(here).encode()
    except UnicodeEncodeError:
        text = f"{folder!r}: has bytes that are no letters of UTF-8; name another folder, or a link to it"
        raise Problem(path, text) from None
    there = here if beside is None else beside.absolute() / given
    return str(there if there.exists() and not here.exists() else here)


def _value(path: str, folder: str, found: re.Match[str]) -> str:
    if found["dollar"]:
        return "$"
    name = found["braced"] or found["bare"]
    value = os.environ.get(name) or found["default"]
    if value is None:
        raise Problem(path, f"{folder!r}: {name} is not set; export {name}=FOLDER, or write the folder")
    return value
