"""Studies that were moved or copied together with their MLflow database: where its artifacts lie now."""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

WAIT_SECONDS = 30.0
"""Longest wait for another writer of the database."""


def follow(database: Path, artifacts: Path | None) -> None:
    """Point experiments and runs of a database beside the studies to the artifacts beside it.

    MLflow keeps absolute addresses, and has no call that changes them: pictures would go to where the studies once
    were, into the originals of a copy.

    Args:
        database: The database that we made beside the studies.
        artifacts: Where its artifacts lie now.

    Raises:
        sqlite3.Error: the database cannot be read or written.
    """
    if artifacts is None or not database.exists():
        return
    now, folder = artifacts.as_uri(), f"/{artifacts.name}"

    def _was_beside_this(home: str) -> bool:
        """Say whether a database of this name stood beside artifacts, or stands there still: those of a copy."""
        place = Path(unquote(urlsplit(home).path))
        return not place.exists() or place.with_name(database.name).exists()

    with contextlib.closing(sqlite3.connect(database, timeout=WAIT_SECONDS)) as connection, connection:
        found = connection.execute("SELECT artifact_location FROM experiments WHERE artifact_location IS NOT NULL")
        homes = {home for (home,) in found if home.startswith("file:") and home.endswith(folder) and home != now}
        for home in filter(_was_beside_this, homes):
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (now, home))
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                (now, len(home) + 1, len(home) + 1, f"{home}/"),
            )
