"""What ends a driver from outside, as one line that says how to go on."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.errors import CUT_OFF, Interrupted, UserError
from harness.search import INDEX_FAULTS


class Stand:
    """How far a driver has come."""

    begun = False
    """Whether work has begun: what ends it then is no bad input, and it can be resumed."""


def resume_of(root: Path) -> str:
    """Return the command that goes on with a study, as a shell takes it; before there is one, what starts it."""
    there = (root / "study.yaml").exists()
    return f"go on with `invfront resume {shlex.quote(str(root))}`" if there else "the same command starts again"


@contextlib.contextmanager
def resumable(root: Path, way: str | None = None) -> Iterator[Stand]:
    """Turn what ends a driver from outside into one line that says how to go on.

    Args:
        root: The study's directory.
        way: How to go on, a clause; null for a resume.

    Raises:
        Interrupted: it was cut off, or once work had begun the disk or the storage failed, or something is to be
            mended.
        UserError: likewise, before.
    """
    stand = Stand()
    try:
        yield stand
    except KeyboardInterrupt:
        raise Interrupted(f"{CUT_OFF}; {way or resume_of(root)}") from None
    except UserError as error:
        if not stand.begun:
            raise
        raise Interrupted(f"{error}; then {way or resume_of(root)}") from error
    except OSError as error:
        line = f"{error.filename or root}: {error.strerror or error}; mend it, then {way or resume_of(root)}"
        raise (Interrupted if stand.begun else UserError)(line) from error
    except INDEX_FAULTS as error:
        fault = type(getattr(error.__cause__, "orig", None) or error.__cause__ or error).__name__
        line = f"storage of {root}: {fault}; mend it, then {way or resume_of(root)}"
        raise (Interrupted if stand.begun else UserError)(line) from error
