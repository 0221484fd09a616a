"""The results of another study that a directory holds a copy of."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError
from harness.ledger import Ledger, read_value, sha256
from harness.records import Borrowed, one_line
from harness.study.sections import Origin
from harness.study.study import Study

COPY = "the one in MLflow's run of the study"


def without(root: Path) -> str:
    """Return the command that ends the informing of a study's search."""
    return f"`invfront resume {shlex.quote(str(root))} --set search/origin=null`"


def fault_of(study: Study, root: Path) -> str | None:
    """Return what is wrong with a directory's ``borrowed.json``; null if nothing is, or the study has none."""
    origin, path = study.search.origin, Ledger(root).borrowed_file
    if origin is None or origin.take != "results":
        return None
    if not path.exists():
        return f"is missing, of which {origin.taken} results of {origin.study} inform the search"
    if sha256(path) != origin.sha256:
        return "is not what was written when the study started"
    return None


def borrowed_of(study: Study, root: Path) -> Borrowed | None:
    """Return the results that inform a study's search; null if it has none, or was given attacks that they lack.

    Raises:
        UserError: the file is not there, or not as it was written.
    """
    origin, path = study.search.origin, Ledger(root).borrowed_file
    if origin is None or origin.take != "results" or _lacked(study, origin):
        return None
    if fault := fault_of(study, root):
        raise UserError(f"{path}: {fault}; put back a copy of it, such as {COPY}, or go on without: {without(root)}")
    try:
        return read_value(path, Borrowed)
    except ValueError as error:
        raise UserError(f"{path}: {one_line(error)}; see `invfront doctor {root}`") from error


def borrowed_lines(study: Study) -> Iterator[str]:
    """Yield what a reader must know of results that inform a search: they are none of the study's trials."""
    origin = study.search.origin
    if origin is not None and origin.take == "results":
        one = origin.taken == 1
        results = f"{origin.taken} result{'s' * (not one)} of {origin.study} ({origin.digest[:12]})"
        lacked = ", ".join(_lacked(study, origin))
        yield f"{results} inform{'s' * one} the search" + (f" no longer: without {lacked}" if lacked else "")


def _lacked(study: Study, origin: Origin) -> list[str]:
    """Return the attacks that a study was given since it took results: over fewer, these look more private."""
    return [effort for effort in study.efforts() if effort not in origin.attacks]
