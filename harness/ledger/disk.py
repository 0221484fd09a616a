"""What a directory takes of the disk, and what is left there."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.ledger.fetching import mirror_of

KINDS = {".safetensors": "weights", ".pt": "checkpoints", ".npz": "arrays", ".parquet": "arrays", ".json": "records"}
"""What a trial's file is for, by its ending; any other is of the kind ``other``."""


class FileSize(NamedTuple):
    """A file."""

    path: Path
    num_bytes: int


def files_of(folder: Path) -> Iterator[FileSize]:
    """Yield the files below a folder, by name; links are not followed, and what goes away meanwhile is left out."""
    return (FileSize(Path(entry.path), num_bytes) for entry, num_bytes in _entries(folder))


def _entries(folder: Path | str) -> Iterator[tuple[os.DirEntry[str], int]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
            else:
                yield entry, entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(num_bytes for _, num_bytes in _entries(folder))


def sizes(root: Path) -> dict[str, int]:
    """Return the bytes of a study's directory: by kind of a trial's files, of other folders by name, and the total."""
    found = Counter(dict.fromkeys((*KINDS.values(), "other"), 0))
    mirror = mirror_of(root)
    for path, num_bytes in mirror.num_bytes() if mirror is not None else ():
        name = path.parts[0] if len(path.parts) > 1 else ""
        kind = KINDS.get(path.suffix, "other") if name == "trials" else name or "other"
        found[kind] += num_bytes
    for top in root.iterdir() if mirror is None else ():
        if top.is_dir() and not top.is_symlink():
            for entry, num_bytes in _entries(top):
                kind = KINDS.get("." + entry.name.rpartition(".")[2], "other")
                found[kind if top.name == "trials" else top.name] += num_bytes
        elif top.exists():
            found["other"] += top.lstat().st_size
    return dict(found) | {"total": found.total()}


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free where a folder lies."""
    return shutil.disk_usage(folder).free


def shown(num_bytes: int) -> str:
    """Return a number of bytes as people write it: ``512 B``, ``1.5 kB``, ``20 MB``."""
    amount, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}"
