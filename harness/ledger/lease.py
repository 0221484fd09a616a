"""One driver at a time: a lock on a study that a dead process cannot hold, and whose loss a driver hears of."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from harness.errors import Interrupted, UserError
from harness.ledger.database import connect_args
from harness.ledger.fetching import mirror_of
from harness.ledger.patience import Patience

_LOG = logging.getLogger(__name__)

LOCK = "study.lock"


class Lease:
    """A study that this process holds: its lock file and, on PostgreSQL, an advisory lock.

    Args:
        root: The study's directory.
        ledger: The study's ledger, which names the advisory lock; in a store the study's address does.
        url: The study's storage; null for ``study.db``.
        patience: How long a server that is away is waited for.
    """

    def __init__(self, root: Path, ledger: str, url: str | None, patience: Patience) -> None:
        self._root, self._patience = root, patience
        self._lock = FileLock(root / LOCK, timeout=0)
        mirror = mirror_of(root)
        ledger = ledger if mirror is None else mirror.store.url
        self._key = int.from_bytes(hashlib.sha256(ledger.encode()).digest()[:8], "big", signed=True)
        self._url = url if url is not None and url.startswith("postgresql") else None
        self._connection: sqlalchemy.Connection | None = None
        self._inode = -1

    def take(self) -> None:
        """Take the study. Raises UserError if another driver has it."""
        refusal = f"{self._root}: another driver runs this study; wait for it, or end it, then give this command again"
        try:
            self._lock.acquire()
        except Timeout:
            raise UserError(refusal) from None
        self._inode = (self._root / LOCK).stat().st_ino
        try:
            if not self._patience(self._advise):
                raise UserError(refusal)
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let go of the study."""
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
        self._lock.release()

    def check(self) -> None:
        """Make sure that the study is still held; one whose server dropped the connection is taken again.

        Raises:
            Interrupted: it is not: its lock file was removed, or another driver has taken it.
        """
        if not self._lock_is_ours():
            raise Interrupted(f"{self._root / LOCK}: was removed while this driver ran; {self._patience.way}")
        if self._url is None or self._is_connected():
            return
        _LOG.warning("storage: the connection that holds the study was dropped; taking the study again")
        if not self._patience(self._advise):
            raise Interrupted(f"{self._root}: another driver took this study meanwhile; {self._patience.way}")

    def _lock_is_ours(self) -> bool:
        try:
            return (self._root / LOCK).stat().st_ino == self._inode
        except OSError:
            return False

    def _is_connected(self) -> bool:
        try:
            if self._connection is None:
                return False
            self._connection.execute(sqlalchemy.text("SELECT 1"))
            self._connection.commit()
        except SQLAlchemyError:
            return False
        return True

    def _advise(self) -> bool:
        """Take the advisory lock on a new connection, where there is a server; say whether it was free."""
        if self._url is None:
            return True
        engine = sqlalchemy.create_engine(self._url, poolclass=NullPool, connect_args=connect_args(self._url))
        connection = engine.connect()
        taken = connection.execute(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar()
        connection.commit()
        if not taken:
            connection.close()
            return False
        self._connection = connection
        return True


@contextlib.contextmanager
def lease(root: Path, ledger: str, url: str | None, patience: Patience | None = None) -> Iterator[Lease]:
    """Hold a study while the body runs.

    A lock file in the directory guards every study; a study on PostgreSQL takes an advisory lock there too, which
    reaches across machines. What a store holds of the study is brought first.

    Raises:
        UserError: another driver has it, or had it since it was opened; or nothing could keep two drivers apart.
    """
    mirror = mirror_of(root)
    if mirror is not None:
        refuse_no_server(mirror.store.url, url)
    held = Lease(root, ledger, url, patience or Patience(seconds=0, way=f"go on with `invfront resume {root}`"))
    held.take()
    try:
        _bring(root)
        yield held
    finally:
        held.release()


def refuse_no_server(study: str, url: str | None) -> None:
    """Refuse a study in a store whose rows lie on no server: no lock of this machine would keep another's driver off.

    Args:
        study: Its address.
        url: Of its rows.

    Raises:
        UserError: says what to give.
    """
    if not (url or "").startswith("postgresql"):
        raise UserError(
            f"{study}: a study in a store needs a PostgreSQL server, which keeps two drivers apart; give "
            "--storage postgresql+psycopg://user:password@host/database, or set INVFRONT_STORAGE"
        )


def _bring(root: Path) -> None:
    """Bring what a store holds of a study, now that nobody else changes it.

    Raises:
        UserError: the study itself is another one than it was when it was opened.
    """
    mirror = mirror_of(root)
    if mirror is None:
        return
    file = root / "study.yaml"
    before = file.read_bytes() if file.exists() else None
    mirror.pull()
    if before != (file.read_bytes() if file.exists() else None):
        raise UserError(f"{mirror.store.url}: another driver changed it a moment ago; give this command again")
