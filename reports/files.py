"""Files of a report are written whole: to a temporary name in the same folder, then renamed."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> Path:
    """Write ``content`` and bring it to the disk, so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
