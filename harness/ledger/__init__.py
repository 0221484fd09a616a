"""A study's directory, the truth: its files and attempts, whole writes, and the lease of the one driver that writes."""

from harness.ledger.attempts import REDONE, SERVER, Found, attempt_number, attempts, find, open_attempt
from harness.ledger.files import Ledger, TrialFiles, read_value
from harness.ledger.lease import lease
from harness.ledger.whole import sha256, write_whole

__all__ = [
    "REDONE",
    "SERVER",
    "Found",
    "Ledger",
    "TrialFiles",
    "attempt_number",
    "attempts",
    "find",
    "lease",
    "open_attempt",
    "read_value",
    "sha256",
    "write_whole",
]
