"""Class folders of pictures of any size, in the layouts of `harness.data.layouts`, or parquet files of them."""

from pathlib import Path

import torch

from harness.data import parquet
from harness.data.layouts import SKETCH, Files, layout
from harness.data.listing import Found, Listing, Undecoded
from harness.data.parts import SPLIT_SEED, dealt
from harness.data.pixels import picture, square
from harness.data.tree import tree
from harness.errors import UserError


def check(root: Path | None, download: bool) -> None:
    """Refuse a root without at least two classes of images, and a download: there is no source to fetch from."""
    find(root, download)


def find(root: Path | None, download: bool) -> Found:
    """Return what lies below a root.

    Raises:
        UserError: there is no such folder, or it is no known layout.
    """
    if root is None or not root.is_dir():
        missing = "a folder of images is needed" if root is None else f"there is no folder {root}"
        raise UserError(f"data/root: {missing}: {SKETCH}")
    if download:
        raise UserError("data/download: true: class folders of images are not downloaded; put them into data/root")
    there = tree(root)
    if any(folder.tables for folder in there.walk()) and not there.classes():
        return parquet.find(there, parquet.GENERAL)
    found = layout(there)

    def listed(size: int) -> Listing:
        names = tuple(found.train)
        test = None if found.test is None else _undecoded(found.test, names, size)
        return Listing(_undecoded(found.train, names, size), test, names)

    files = [path for part in (found.train, found.test or {}) for paths in part.values() for path in paths]
    return Found(root=root, files=tuple(files), left_out=found.left_out, open=listed, layout=found.shape)


def _undecoded(files: Files, names: tuple[str, ...], size: int) -> Undecoded:
    """Return a part's pictures, each scaled to cover a square and cut to its centre, in an order that mixes classes."""
    paths = [path for name in files for path in files[name]]
    y = torch.tensor([names.index(name) for name in files for _ in files[name]], dtype=torch.int64)
    # sorted by class, a first part of them would lack classes
    order = dealt(y, SPLIT_SEED)
    chosen = [paths[index] for index in order.tolist()]
    return Undecoded(y[order], lambda index: square(picture(chosen[index]), size), lambda index: str(chosen[index]))
