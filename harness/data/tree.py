"""What lies below a folder: its pictures by their paths, and a count of everything that is left out."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.pixels import formats
from harness.errors import UserError

SYSTEM = frozenset(
    ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information", "lost+found")
)
"""Names, in lower case, of what operating systems and servers leave in people's folders."""

TABLES = (".parquet",)
"""Endings of files that hold many pictures."""

LeftOut = Counter[str]
"""How many files or folders are left out, by what they are, in words."""


@dataclass(kw_only=True)
class Folder:
    """A folder, hidden and system files apart."""

    path: Path
    pictures: list[Path] = field(default_factory=list)
    """Files in it whose names end as pictures' do."""
    tables: list[Path] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)
    """By name, sorted."""
    other: Counter[str] = field(default_factory=Counter)
    """Files in it that are neither, by the ending of their names, in lower case."""
    skipped: LeftOut = field(default_factory=Counter)
    """What in it is hidden, or cannot be read."""

    def walk(self) -> Iterator["Folder"]:
        """Yield this folder and all below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.walk()

    def below(self) -> list[Path]:
        """Return the pictures in it and below it, in the order of their paths."""
        found = [path for folder in self.walk() for path in folder.pictures]
        return sorted(found, key=lambda path: path.relative_to(self.path).as_posix())

    def classes(self) -> dict[str, list[Path]]:
        """Return the pictures of each folder in it that has any, by the folder's name."""
        found = {name: folder.below() for name, folder in self.folders.items()}
        return {name: paths for name, paths in found.items() if paths}


def tree(root: Path) -> Folder:
    """Return what lies below a folder; links are followed.

    Raises:
        UserError: a link leads back to a folder that it lies in.
    """
    return _folder(root, (root.resolve(),))


def _folder(path: Path, real: tuple[Path, ...]) -> Folder:
    """Return a folder; ``real`` are the resolved places of the root and of the links that led here, and of this."""
    found = Folder(path=path)
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        here = path / entry.name
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
            found.skipped["hidden folders" if entry.is_dir(follow_symlinks=False) else "hidden files"] += 1
        elif not os.access(here, os.R_OK):  # a link that leads nowhere, too
            found.skipped["unreadable"] += 1
        elif entry.is_dir():
            if not os.access(here, os.X_OK):
                found.skipped["unreadable"] += 1
                continue
            found.folders[entry.name] = _folder(here, (*real[:-1], *_deeper(here, real, entry.is_symlink())))
        elif here.suffix.lower() in formats():
            found.pictures.append(here)
        elif here.suffix.lower() in TABLES:
            found.tables.append(here)
        else:
            found.other[here.suffix.lower()] += 1
    return found


def _deeper(folder: Path, real: tuple[Path, ...], linked: bool) -> tuple[Path, ...]:
    """Return what takes the place of the last of ``real`` one folder further down; a link to a folder above is refused.

    A link adds a place; a plain folder only moves the last one.
    """
    if not linked:
        return (real[-1] / folder.name,)
    target = folder.resolve()
    if any(place.is_relative_to(target) for place in real):
        raise UserError(f"data/root: the link {folder} leads back to {target}, which it lies in; remove the link")
    return (real[-1], target)


def left_out(folders: Iterator[Folder]) -> LeftOut:
    """Return what is left out of folders whose pictures are all taken."""
    total: LeftOut = Counter()
    for folder in folders:
        total += folder.skipped
        for ending, count in folder.other.items():
            total[f"of other kinds ({ending or 'no ending'})"] += count
    return total


def in_words(total: LeftOut) -> str:
    """Return ``left out: 3 hidden files, 2 unreadable``; empty for nothing."""
    told = ", ".join(f"{count:,} {_one(what) if count == 1 else what}" for what, count in total.items())
    return f"left out: {told}" if told else ""


def _one(what: str) -> str:
    """Return what is counted as it is called where there is one of it."""
    return re.sub(r"\b(?:(copi)es|(file|folder|image)s)\b", lambda word: f"{word[2] or 'copy'}", what, count=1)
