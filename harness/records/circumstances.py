"""What a measurement cost, where it was made, and what ended it: everything that may differ when it is repeated."""

import functools
from typing import Annotated

from pydantic import AfterValidator, FiniteFloat

from harness.records.value import Value
from harness.records.wording import one_line

LONGEST_NAME = 253
"""Characters of a host's name, at most."""


@functools.lru_cache(maxsize=1024)
def _shown(name: str) -> str:
    """Return a name as it can be shown; a study's records share a few."""
    return one_line(name)[:LONGEST_NAME]


Name = Annotated[str, AfterValidator(_shown)]
"""What a machine calls itself, as it can be shown."""


class Circumstances(Value):
    """What a measurement cost and where it was made: everything that may differ when it is repeated."""

    started: str
    """UTC, ISO 8601."""
    seconds: FiniteFloat
    cpu_seconds: FiniteFloat | None = None
    """Of processors, all threads added; null in records of before it was recorded, and of a job that was cut off."""
    peak_memory_bytes: int
    device: Name
    precision: str
    threads: int
    packages: dict[str, str]
    """Versions by name."""
    commit: str | None
    """Of the checkout that ran it; on a node that has none, of the driver's, whose packages travelled there."""
    node: Name | None = None
    """Host name; null in records of before it was recorded, and of a job that never gave a sign."""
    driver: dict[str, str] = {}
    """The driver's versions by name, where they differ from the node's."""


class Failure(Value):
    """An error that ended a stage."""

    stage: str
    type: str
    message: str
    traceback: str | None = None
    errno: int | None = None
    """The system's number of an operating system's error."""
    path: str | None = None
    """The file or folder that such an error is of; of a full disk, the folder that is full; null where nobody knows."""
    log: str | None = None
    """The last lines that its attempt's processes printed; null where nothing was, or in records of before."""


def failure_line(failure: Failure | None) -> str | None:
    """Return a failure on one line, ``ValueError: lam is below 0``; null for none."""
    return one_line(f"{failure.type}: {failure.message}") if failure else None
