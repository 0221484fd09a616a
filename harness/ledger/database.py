"""The URL of a database file, whatever its path is called."""

from pathlib import Path
from urllib.parse import quote


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
