"""What lies in a folder of images that nobody has described yet: which data set, how much of it, what pictures."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness.data import DATASETS, Reading, cifar, folders, source_of
from harness.data.layouts import FACESCRUB
from harness.data.listing import Found, Listing
from harness.data.parquet import first_pictures
from harness.data.pixels import Header, NoPicture, header
from harness.data.ready import Ready, make_ready
from harness.data.source import Promise
from harness.data.tree import TABLES
from harness.records import Tell

MOST_LOOKED = 2000
"""Pictures whose sizes and modes are looked at."""

SIDES = (64, 48, 32)
"""Sizes in pixels to choose from for pictures of one's own: VGG needs the last, beyond the first a first study is slow.
"""

WNIDS = ("wnids.txt", "*/wnids.txt")
"""Where Tiny ImageNet's archive has its list of classes."""

CIFARS = {"cifar10": cifar.CIFAR10, "cifar100": cifar.CIFAR100}


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was seen."""

    name: str
    """What ``data/name`` takes."""
    root: str | None
    layout: str
    """In words; empty where nothing lies in a folder."""
    classes: dict[str, int]
    """Training images by class, copies included."""
    held_out: int
    """Images that are held out by whoever made the data set; 0 for none."""
    headers: tuple[Header, ...]
    """Of at most ``MOST_LOOKED`` pictures; none where pictures are no files."""
    size: int
    """Height and width in pixels that suit a first study."""
    ready: Ready

    @property
    def sides(self) -> tuple[int, int, int] | None:
        """Least, middle and greatest shorter side of the pictures that were looked at, pixels; None for no pictures."""
        return _sides(self.headers)

    @property
    def modes(self) -> Counter[str]:
        """How many pictures that were looked at have which of Pillow's modes."""
        return Counter(one.mode for one in self.headers)


def survey(where: str, tell: Tell = lambda progress: None) -> Survey:
    """Look at images, and decode them once into the image cache.

    Args:
        where: A folder, the name of a data set that needs none, or ``package.module:function``.
        tell: Hears how many are decoded.

    Raises:
        UserError: nothing is there, or it cannot be studied; begins with ``data/root`` or ``data/name``.
    """
    name, root, found = _found(where)
    listing = found.open(DATASETS["folder"].size)
    headers = tuple(_headers(found))
    if name == "folder":
        name = _known(root or "", found, listing, headers)
    size = _side(headers) if name == "folder" else source_of(name).size
    reading = Reading(name=name, root=root, size=size if source_of(name).resizable else None)
    counts = listing.train.y.bincount(minlength=len(listing.class_names)).tolist()
    return Survey(
        name=name,
        root=root,
        layout=found.layout,
        classes=dict(zip(listing.class_names, counts, strict=True)),
        held_out=0 if listing.test is None else len(listing.test.y),
        headers=headers,
        size=size,
        ready=make_ready(reading, tell),
    )


def _found(where: str) -> tuple[str, str | None, Found]:
    """Return a data set's name, its root and what lies there; of a folder the name is not known yet."""
    folder = _home(Path(where))
    if not folder.exists() and (where in DATASETS or ":" in where):
        return where, None, source_of(where).find(None, False)
    for name, known in CIFARS.items():
        root = folder.parent if folder.name == known.folder else folder
        if (root / known.folder).is_dir():
            return name, str(root), known.find(root, False)
    return "folder", str(folder), folders.find(folder, False)


def _home(folder: Path) -> Path:
    """Return a folder with ``~`` written out, which shells leave in ``--data=~/photographs``."""
    if folder.exists():
        return folder
    with contextlib.suppress(RuntimeError):  # there is no such user, nor such a folder
        return folder.expanduser()
    return folder


def _known(root: str, found: Found, listing: Listing, headers: tuple[Header, ...]) -> str:
    """Return the name of a data set that a folder holds: by its layout, its classes or how much there is of it."""
    held_out = None if listing.test is None else len(listing.test.y)
    there = Promise(len(listing.class_names), len(listing.train.y), held_out)
    small = all((one.width, one.height) == (cifar.SIZE, cifar.SIZE) for one in headers)
    for name, known in CIFARS.items():
        if small and held_out and (listing.class_names == known.class_names or there == DATASETS[name].promise):
            return name
    if found.layout == FACESCRUB:
        return "facescrub"
    if there == DATASETS["tinyimagenet"].promise or any(next(Path(root).glob(file), None) for file in WNIDS):
        return "tinyimagenet"
    return "folder"


def _headers(found: Found) -> Iterator[Header]:
    """Yield what pictures from everywhere in a folder say of themselves; those that are none are named later."""
    tables = [path for path in found.files if path.suffix in TABLES]
    step = max(1, len(found.files) // MOST_LOOKED)
    encoded = first_pictures(tables[0], MOST_LOOKED) if tables else found.files[::step][:MOST_LOOKED]
    for one in encoded:
        try:
            yield header(one)
        except NoPicture:
            continue


def _sides(headers: tuple[Header, ...]) -> tuple[int, int, int] | None:
    if not headers:
        return None
    sides = [min(one.width, one.height) for one in headers]
    return min(sides), int(median(sides)), max(sides)


def _side(headers: tuple[Header, ...]) -> int:
    """Return the greatest size to choose from that most pictures have."""
    sides = _sides(headers)
    return next((side for side in SIDES if sides is None or sides[1] >= side), SIDES[-1])
