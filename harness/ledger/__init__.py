"""A study's directory, the truth: its files and attempts, and whole writes.

`ledger.lease`, of the one driver that writes, needs SQLAlchemy, and `ledger.arrays`, the scores of single images,
pandas: whoever wants them imports them by name.
"""

from harness.ledger.attempts import (
    REDONE,
    SKIP,
    Found,
    NotAsWritten,
    Skipped,
    attempt_number,
    attempts,
    find,
    open_attempt,
    refuse_altered,
    refuse_skipped,
)
from harness.ledger.confirms import Confirms, Run
from harness.ledger.fetching import address, arrived, drop, fetch, in_words, send, study_of
from harness.ledger.files import (
    ASKED,
    RETRIED,
    Ledger,
    Newer,
    TrialFiles,
    read_value,
    record_files,
    refuse_no_folder,
)
from harness.ledger.finding import begin_in_store, find_study
from harness.ledger.keys import CHECKPOINTS, CONFIRM, SERVER, TRIALS
from harness.ledger.log import LOG, log_of, logged, tail
from harness.ledger.whole import sha256, write_whole

__all__ = [
    "ASKED",
    "CHECKPOINTS",
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
    "NotAsWritten",
    "Run",
    "Skipped",
    "TrialFiles",
    "address",
    "arrived",
    "attempt_number",
    "attempts",
    "begin_in_store",
    "drop",
    "fetch",
    "find",
    "find_study",
    "in_words",
    "log_of",
    "logged",
    "open_attempt",
    "read_value",
    "record_files",
    "refuse_altered",
    "refuse_no_folder",
    "refuse_skipped",
    "send",
    "sha256",
    "study_of",
    "tail",
    "write_whole",
]
