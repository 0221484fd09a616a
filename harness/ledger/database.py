"""Addresses of databases: a file's URL, whatever its path is called, and how long a connection is waited for."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""When a connection to PostgreSQL is given up: seconds; the last in milliseconds."""


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


def connect_args(url: str) -> dict[str, Any]:
    """Return how a connection is bounded in time: a file's lock is waited for 60 s, a server that is silent not longer.

    What the URL itself says goes first.
    """
    if url.startswith("sqlite"):
        return {} if "timeout=" in url else {"timeout": 60}
    if url.startswith("postgresql"):
        return {key: value for key, value in POSTGRESQL.items() if f"{key}=" not in url}
    return {} if "connect_timeout=" in url else {"connect_timeout": POSTGRESQL["connect_timeout"]}
