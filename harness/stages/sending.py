"""What a job has written, put into its study's store while a store may not answer for the moment."""

from pathlib import Path

from harness.errors import Interrupted
from harness.ledger import send
from harness.ledger.patience import Patience

PATIENT_SECONDS = 120.0
"""How long a store that does not answer is tried again."""


def put(path: Path) -> None:
    """Put a file or folder into its study's store; nothing without a store. Raises OSError where it is not taken."""
    try:
        Patience(seconds=PATIENT_SECONDS, way="the job fails")(lambda: send(path))
    except Interrupted as end:
        raise end.__cause__ or end from None
