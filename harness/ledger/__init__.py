"""A study's directory, the truth: its files and attempts, and whole writes.

`ledger.lease`, of the one driver that writes, needs SQLAlchemy, and `ledger.arrays`, the scores of single images,
pandas: whoever wants them imports them by name.
"""

from harness.ledger.attempts import (
    REDONE,
    SERVER,
    SKIP,
    Found,
    Skipped,
    attempt_number,
    attempts,
    find,
    open_attempt,
    refuse_skipped,
    study_of,
)
from harness.ledger.confirms import Confirms, Run
from harness.ledger.files import (
    ASKED,
    CONFIRM,
    RETRIED,
    TRIALS,
    Ledger,
    Newer,
    TrialFiles,
    read_value,
    record_files,
    refuse_no_folder,
)
from harness.ledger.finding import find_study
from harness.ledger.log import LOG, log_of, logged, tail
from harness.ledger.whole import sha256, write_whole

__all__ = [
    "ASKED",
    "CONFIRM",
    "LOG",
    "REDONE",
    "RETRIED",
    "SERVER",
    "SKIP",
    "TRIALS",
    "Confirms",
    "Found",
    "Ledger",
    "Newer",
    "Run",
    "Skipped",
    "TrialFiles",
    "attempt_number",
    "attempts",
    "find",
    "find_study",
    "log_of",
    "logged",
    "open_attempt",
    "read_value",
    "record_files",
    "refuse_no_folder",
    "refuse_skipped",
    "sha256",
    "study_of",
    "tail",
    "write_whole",
]
