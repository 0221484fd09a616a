"""A data set's decoded images, from the image cache, where they are mapped into memory and shared, or decoded here."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import PIL
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from harness import cache
from harness.data.copies import kept_of
from harness.data.decode import decode_all, refuse_bad
from harness.data.digests import digests_of
from harness.data.listing import Found, Listing
from harness.data.parts import SPLIT_SEED, Labelled, Original, dealt
from harness.ledger import write_whole
from harness.records import Tell

DECODER = f"1, Pillow {PIL.__version__}"
"""What makes pixels of files; another one makes them anew."""

LONGEST_WAIT = 3600.0
"""Seconds for which a process waits for another one that decodes the same images; then it decodes them itself."""

WRITTEN = 4096
"""Images copied at once."""

Pixels = NDArray[numpy.uint8]

Allocate = Callable[[str, tuple[int, ...]], Pixels]
"""Gives an array for images of a part by its name and shape."""


class Wish(NamedTuple):
    """What is wanted of a data set."""

    name: str
    """The data set's."""
    found: Found
    size: int
    """Height and width in pixels."""
    drop_copies: bool
    """Whether of pictures whose pixels are all the same one is kept: the held-out one, else the first."""


class Stored(NamedTuple):
    """Decoded images."""

    original: Original
    """Its training images are in dealt order."""
    listed: tuple[int, int]
    """How many images for training and held out were there before copies were dropped."""
    key: str | None
    """By which the cache knows them; None where it does not."""
    fault: str | None = None
    """Why the cache could not be used, one line."""

    @property
    def copies(self) -> int:
        """How many exact copies were dropped."""
        kept = len(self.original.train.y) + (0 if self.original.test is None else len(self.original.test.y))
        return sum(self.listed) - kept


class _Built(NamedTuple):
    train: tuple[Pixels, NDArray[numpy.int64]]
    test: tuple[Pixels, NDArray[numpy.int64]] | None
    class_names: tuple[str, ...]
    listed: tuple[int, int]


def stored(wish: Wish, tell: Tell = lambda progress: None) -> Stored:
    """Return a data set's images; whoever comes first decodes them, the others wait for it.

    Raises:
        UserError: pictures cannot be decoded; names them.
    """
    if not wish.found.files:
        return _labelled(_built(wish, _in_memory, tell), None)
    try:
        return _shared(wish, tell)
    except cache.Unusable as unusable:
        fault = f"{unusable}; until then every job decodes the images for itself"
        return _labelled(_built(wish, _in_memory, tell), None)._replace(fault=fault)


def key_of(wish: Wish) -> str:
    """Return by what the cache knows images: their files' places and contents, their size, and what decodes them.

    Raises:
        UserError: a file cannot be read.
    """
    files = digests_of(wish.found)
    told = [wish.name, wish.size, wish.drop_copies, DECODER, list(files.items())]
    told += [wish.found.listed] if wish.found.listed else []
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _shared(wish: Wish, tell: Tell) -> Stored:
    rooms = cache.room("images")
    key = key_of(wish)
    there = _read(rooms / key)
    if there is None:
        with _only_builder(rooms / f"{key}.lock"):
            there = _read(rooms / key) or _build(wish, rooms / key, tell)
    return _labelled(there, key)


@contextlib.contextmanager
def _only_builder(lock: Path) -> Iterator[None]:
    with cache.usable():
        taken = FileLock(lock)
        try:
            taken.acquire(timeout=LONGEST_WAIT)
        except Timeout:
            raise TimeoutError(None, f"another process has decoded for {LONGEST_WAIT:g} s", str(lock)) from None
    try:
        yield
    finally:
        taken.release()


def _build(wish: Wish, folder: Path, tell: Tell) -> _Built:
    """Decode into a folder beside the one that is wanted, and rename it once it is whole."""
    making = folder.with_suffix(cache.BUILDING)
    try:
        with cache.usable():
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(mode=0o700)
        built = _built(wish, lambda name, shape: _on_disk(making / f"{name}.npy", shape), tell)
        with cache.usable():
            for part, images in (("train", built.train), ("test", built.test)):
                if images is not None:
                    numpy.save(making / f"{part}-labels.npy", images[1])
            for path in making.glob("*.decoded.npy"):
                path.unlink()
            about = {"class_names": built.class_names, "listed": built.listed}
            write_whole(making / "about.json", json.dumps(about).encode())
            _sync(making)
            shutil.rmtree(folder, ignore_errors=True)
            making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    there = _read(folder)
    if there is None:
        raise cache.Unusable(f"image cache {folder}: is not what was written; {cache.WAY_OUT}")
    return there


def _built(wish: Wish, allocate: Allocate, tell: Tell) -> _Built:
    """Decode a data set, leave out copies, and bring the training images into dealt order."""
    listing = wish.found.open(wish.size)
    decoded = _decoded(listing, wish.size, allocate, tell)
    y = {name: getattr(listing, name).y for name in decoded}
    kept = {name: numpy.arange(len(x)) for name, x in decoded.items()}
    if wish.drop_copies:
        # what is held out comes first, so that it is kept
        kept = kept_of({name: decoded[name] for name in reversed(decoded)})
    kept["train"] = kept["train"][dealt(y["train"][kept["train"]], SPLIT_SEED).numpy()]
    parts = {}
    for name, x in decoded.items():
        out = allocate(name, (len(kept[name]), *x.shape[1:]))
        for start in range(0, len(out), WRITTEN):
            out[start : start + WRITTEN] = x[kept[name][start : start + WRITTEN]]
        parts[name] = (out, y[name].numpy()[kept[name]])
    listed = (len(y["train"]), len(y.get("test", ())))
    return _Built(parts["train"], parts.get("test"), listing.class_names, listed)


def _decoded(listing: Listing, size: int, allocate: Allocate, tell: Tell) -> dict[str, Pixels]:
    """Return the pictures of each part as they are listed."""
    decoded, bad = {}, []
    for name, pictures in (("train", listing.train), ("test", listing.test)):
        if pictures is not None:
            decoded[name] = allocate(f"{name}.decoded", (len(pictures.y), 3, size, size))
            bad += decode_all(pictures, decoded[name], tell)
    refuse_bad(bad)
    return decoded


def _in_memory(name: str, shape: tuple[int, ...]) -> Pixels:
    return numpy.empty(shape, numpy.uint8)


def _on_disk(path: Path, shape: tuple[int, ...]) -> Pixels:
    """Return an array whose file has its place on the disk: a disk that is full later would kill the process."""
    with cache.usable():
        array = numpy.lib.format.open_memmap(path, mode="w+", dtype=numpy.uint8, shape=shape)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
        return array


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _read(folder: Path) -> _Built | None:
    """Return the images of a folder of the cache; None if they are not there or not as they were written."""
    try:
        about = json.loads((folder / "about.json").read_bytes())
        test = _mapped(folder, "test") if (folder / "test.npy").exists() else None
        return _Built(_mapped(folder, "train"), test, tuple(about["class_names"]), tuple(about["listed"]))
    except (OSError, ValueError, KeyError):
        return None


def _mapped(folder: Path, name: str) -> tuple[Pixels, NDArray[numpy.int64]]:
    x = numpy.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False)
    y = numpy.load(folder / f"{name}-labels.npy", allow_pickle=False)
    if len(x) != len(y):
        raise ValueError(f"{folder}: {len(x)} images of {name} and {len(y)} labels")
    return x, y


def _labelled(built: _Built, key: str | None) -> Stored:
    train, test = (
        None if part is None else Labelled(torch.from_numpy(part[0]), torch.from_numpy(part[1]))
        for part in (built.train, built.test)
    )
    if train is None:
        raise TypeError("a data set has images to train on")
    return Stored(Original(train, test, built.class_names, dealt=True), built.listed, key)
