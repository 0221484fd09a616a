"""One driver at a time: a lock on a study that a dead process cannot hold."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout
from sqlalchemy.pool import NullPool

from harness.errors import UserError

LOCK = "study.lock"


@contextlib.contextmanager
def lease(root: Path, ledger: str, url: str | None) -> Iterator[None]:
    """Hold the study while the body runs.

    A lock file in the directory guards every study; a study on PostgreSQL takes an advisory lock there too, which
    reaches across machines.

    Raises:
        UserError: another driver has it.
    """
    refusal = UserError(f"{root}: another driver runs this study; wait for it, or end it, then give this command again")
    lock = FileLock(root / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise refusal from None
    try:
        with _advisory(ledger, url, refusal):
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _advisory(ledger: str, url: str | None, refusal: UserError) -> Iterator[None]:
    if url is None or not url.startswith("postgresql"):
        yield
        return
    key = int.from_bytes(hashlib.sha256(ledger.encode()).digest()[:8], "big", signed=True)
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        taken = connection.execute(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar()
        connection.commit()
        if not taken:
            raise refusal
        yield
