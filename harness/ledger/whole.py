"""Files that are there whole or not at all, and their digests."""

import hashlib
from pathlib import Path

from reports.files import write_whole

__all__ = ["sha256", "write_whole"]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
