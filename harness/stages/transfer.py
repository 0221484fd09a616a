"""What a job writes into its study's store and reads from it, while a store may not answer for the moment."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.errors import Interrupted
from harness.ledger import fetch, send
from harness.ledger.patience import Patience

T = TypeVar("T")

PATIENT_SECONDS = 120.0
"""How long a store that does not answer is tried again."""


def patiently(action: Callable[[], T]) -> T:
    """Return what an action on a store gives, tried again while it fails; raises OSError where it goes on failing."""
    try:
        return Patience(seconds=PATIENT_SECONDS, way="the job fails")(action)
    except Interrupted as end:
        fault = end.__cause__ or end
    raise fault


def put(path: Path) -> None:
    """Put a file or folder into its study's store, patiently; nothing without a store."""
    patiently(lambda: send(path))


def bring(path: Path, pattern: str = "*") -> set[str]:
    """Bring what the store holds of a file or folder, patiently; return its keys, none without a store."""
    return patiently(lambda: fetch(path, pattern))
