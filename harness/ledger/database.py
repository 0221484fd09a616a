"""Addresses of databases: a file's URL, whatever its path is called, and how long a connection is waited for."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.errors import UserError

POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""When a connection to PostgreSQL is given up: seconds; the last in milliseconds."""


SQLITE_KEYS = (
    *("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements", "autocommit"),
    *("uri", "mode", "cache", "immutable", "nolock", "vfs", "psow"),
)
"""What may follow a question mark in the URL of a SQLite file: settings of Python's sqlite3, and SQLite's own."""


def sqlite_url(path: Path) -> str:
    """Return SQLAlchemy's URL of a SQLite file.

    SQLAlchemy cuts a path at a question mark and, from 2.1 on, takes a per cent sign for an escape.
    """
    plain = f"sqlite:///{path}"
    if not set("%?") & set(str(path)):
        return plain
    import sqlalchemy  # only for such paths: `status` must not wait for it

    spelt = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
    readable = next((url for url in (plain, spelt) if sqlalchemy.make_url(url).database == str(path)), None)
    return readable or f"sqlite:///file:{quote(str(path))}?uri=true"


def sqlite_path(url: str) -> Path | None:
    """Return the file that SQLAlchemy's URL of one means; null for any other database."""
    import sqlalchemy

    database = sqlalchemy.make_url(url).database if url.startswith("sqlite:///") else None
    return None if not database or database == ":memory:" or database.startswith("file:") else Path(database)


def refuse_cut(place: str, url: str) -> None:
    """Refuse a URL of a SQLite file that a question mark of the file's name cuts short: another file would be made.

    Args:
        place: Where the URL was written, for the message.

    Raises:
        UserError: with the URL of the file that was meant.
    """
    _, _, path = url.partition("///")
    if not url.startswith("sqlite:///") or "?" not in path:
        return
    told = [setting.partition("=")[0] for setting in path.partition("?")[2].split("&")]
    odd = [key for key in told if key not in SQLITE_KEYS]
    if odd:
        raise UserError(
            f"{place}: a question mark ends a file's name, and {odd[0]!r} is no setting of SQLite's; write a file so "
            f"called as {sqlite_url(Path(path))}"
        )


def connect_args(url: str) -> dict[str, Any]:
    """Return how a connection is bounded in time: a file's lock is waited for 60 s, a server that is silent not longer.

    What the URL itself says goes first.
    """
    if url.startswith("sqlite"):
        return {} if "timeout=" in url else {"timeout": 60}
    if url.startswith("postgresql"):
        return {key: value for key, value in POSTGRESQL.items() if f"{key}=" not in url}
    return {} if "connect_timeout=" in url else {"connect_timeout": POSTGRESQL["connect_timeout"]}
