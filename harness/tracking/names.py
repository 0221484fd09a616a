"""Names and texts as every MLflow store takes them."""

import hashlib
import posixpath
import re
from collections.abc import Iterable

LONGEST_NAME = 200
"""Characters of a name; MLflow takes 250, and the tag that tells the original begins with some more."""

LONGEST_TAG = 5000
"""Characters of a tag's value that every MLflow store takes."""

LONGEST_PARAM = 6000
"""Characters of a parameter's value that MLflow takes."""

_REFUSED = re.compile(r"[^\w.\-/ :]")
"""What no name of a metric or a parameter may hold."""


def adapted(names: Iterable[str]) -> dict[str, str]:
    """Return the names that MLflow refuses, each with the one that stands for it: ``top@5`` is ``top_5``.

    A name that is taken already gets a few digits of its own digest.
    """
    given = set(names)
    refused = sorted(name for name in given if _plain(name) != name)
    taken, found = given - set(refused), {}
    for name in refused:
        plain = _plain(name)
        found[name] = plain if plain not in taken else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        taken.add(found[name])
    return found


def _plain(name: str) -> str:
    """Return a name without what MLflow refuses; it must not mean another path than it says."""
    path = posixpath.normpath(_REFUSED.sub("_", name)).lstrip("/")
    path = "_" + path.lstrip(".") if path == "." or path.startswith("..") else path
    return path[:LONGEST_NAME].rstrip("/") or "_"


def plain_text(text: str, longest: int) -> str:
    """Return a text that a database takes: no NUL, no half of a character, not too long."""
    return text[:longest].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
