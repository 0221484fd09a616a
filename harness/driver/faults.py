"""What ends a driver from outside, as one line that says how to go on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness.errors import Interrupted, UserError
from harness.search import INDEX_FAULTS


@contextlib.contextmanager
def resumable(root: Path, way: str | None = None) -> Iterator[None]:
    """Turn what ends a driver from outside into one line that says how to go on.

    Args:
        root: The study's directory.
        way: How to go on, a clause; null for a resume.
    """
    resume = f"`invfront resume {root}`"
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {way or f'go on with {resume}'}") from None
    except OSError as error:
        again = way or (resume if (root / "study.yaml").exists() else "run it again")
        raise UserError(f"{error.filename or root}: {error.strerror or error}; mend it, then {again}") from error
    except INDEX_FAULTS as error:
        fault = type(getattr(error.__cause__, "orig", None) or error.__cause__ or error).__name__
        raise UserError(f"storage of {root}: {fault}; mend it, then {way or resume}") from error
