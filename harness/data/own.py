"""A data set of one's own: the function that gives its pictures and labels, and what is made of it."""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

from harness import plugins
from harness.data.listing import Found, Listing, Undecoded
from harness.data.parts import SPLIT_SEED, dealt
from harness.data.pixels import NoPicture, picture, rgb, square
from harness.data.source import PHOTOGRAPHS, Source
from harness.errors import UserError

SIZE = 64
"""Height and width in pixels where ``data/size`` is silent."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Pictures with their labels."""

    pictures: Sequence[Any]
    """Each one a path, a Pillow image, a uint8 array as Pillow has it, ``(H, W)`` or ``(H, W, 3)``, or a uint8 tensor
    as torch has it, ``(1, H, W)`` or ``(3, H, W)``. It is scaled to cover a square and cut to its centre."""
    labels: Sequence[int]
    """The index of each one's class."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A data set of one's own."""

    class_names: Sequence[str]
    train: Images
    test: Images | None = None
    """What its publisher holds out; null for none, and 15 % of all are then the test part."""
    flips: bool = True
    """Whether a mirrored image still belongs to its class."""


def source_of_ones_own(name: str, known: Iterable[str]) -> Source:
    """Return what is known of a data set before its function is called.

    Args:
        name: ``package.module:function``, or an entry point's of the group ``invfront.data``.
        known: Names of other data sets, for messages.

    Raises:
        UserError: there is no such function.
    """
    try:
        function = plugins.find("data set", name, plugins.DATA, known)
    except ValueError as error:
        raise UserError(f"data/name: {error}") from error
    if not callable(function):
        raise UserError(f"data/name: {name} is {type(function).__name__}, not a function; name one that takes root")

    def find(root: Path | None, download: bool) -> Found:
        if download:
            raise UserError(f"data/download: true: {name} is your own, and may fetch what it needs; leave download out")
        return found_of(name, function, root)

    def check(root: Path | None, download: bool) -> None:
        find(root, download)

    mean, std = PHOTOGRAPHS
    return Source(
        description="a data set of one's own", size=SIZE, resizable=True, mean=mean, std=std, check=check, find=find
    )


def found_of(name: str, function: Callable[[Path | None], object], root: Path | None) -> Found:
    """Return what a function gives, once it is a data set.

    Raises:
        UserError: it raises, or gives something else; begins with ``data/name`` and the name.
    """
    try:
        collection = function(root)
    except UserError:
        raise
    except Exception as error:  # whatever a user's own function raises
        raise UserError(f"data/name: {name}: {plugins.blamed(error)}") from error
    try:
        return _found(collection, root)
    except ValueError as error:
        raise UserError(f"data/name: {name}: {error}") from error


def _found(collection: object, root: Path | None) -> Found:
    if not isinstance(collection, Collection):
        raise ValueError(f"gives {type(collection).__name__}, not a harness.data.Collection")
    names = _class_names(collection.class_names)
    parts = {"train": collection.train} | ({} if collection.test is None else {"test": collection.test})
    labels = {part: _labels(part, images, len(names)) for part, images in parts.items()}
    files = _files(parts.values(), root)
    told = [names, {part: y.tolist() for part, y in labels.items()}, [str(path) for path in files]]

    def listed(size: int) -> Listing:
        made = {part: _undecoded(part, images, labels[part], size) for part, images in parts.items()}
        return Listing(made["train"], made.get("test"), names)

    return Found(
        root=root,
        files=files,
        left_out=Counter(),
        open=listed,
        listed=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        flips=collection.flips,
    )


def _class_names(given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"class_names is {given!r}; it is a list of names, at least two")
    names = tuple(map(str, given))
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(f"class_names has {list(names)}; a data set has at least two classes, each name once")
    return names


def _labels(part: str, images: object, num_classes: int) -> Tensor:
    """Return labels, int64, ``(N,)``, once they fit their pictures."""
    if not isinstance(images, Images):
        raise ValueError(f"{part} is {type(images).__name__}, not harness.data.Images")
    try:
        labels, count = numpy.asarray(images.labels), len(images.pictures)
    except (ValueError, TypeError) as error:  # ragged labels, or pictures without a length
        raise ValueError(f"{part}: {error}; pictures are a sequence, and labels whole numbers, one of each") from error
    if labels.ndim != 1 or len(labels) != count or not count:
        raise ValueError(f"{part} has {count} pictures and labels of shape {labels.shape}; one of each")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{part} has labels of {labels.dtype}, as {labels[0]!r}; they count the classes, from 0")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"{part} has labels {labels.min()} to {labels.max()}; they count the classes, 0 to {num_classes - 1}"
        )
    return torch.from_numpy(labels.astype(numpy.int64))


def _files(parts: Iterable[Images], root: Path | None) -> tuple[Path, ...]:
    """Return the pictures' files if all are below the root: what is decoded of them is then kept for other jobs."""
    pictures = [one for images in parts for one in images.pictures if isinstance(one, Path | str)]
    if root is None or len(pictures) < sum(len(images.pictures) for images in parts):
        return ()
    paths = [Path(one) for one in pictures]
    return tuple(paths) if all(path.is_relative_to(root) for path in paths) else ()


def _undecoded(part: str, images: Images, y: Tensor, size: int) -> Undecoded:
    order = dealt(y, SPLIT_SEED)
    chosen = order.tolist()

    def decode(index: int) -> Tensor:
        return square(_picture(images.pictures, chosen[index]), size)

    def name(index: int) -> str:
        return _name(part, images.pictures, chosen[index])

    return Undecoded(y[order], decode, name)


def _picture(pictures: Sequence[Any], index: int) -> Image.Image:
    try:
        one = pictures[index]
    except Exception as error:  # whatever a user's own sequence raises
        raise NoPicture(plugins.blamed(error)) from error
    if isinstance(one, Path | str):
        return picture(Path(one))
    if isinstance(one, Image.Image):
        return rgb(one)
    array = one.permute(1, 2, 0).numpy() if isinstance(one, Tensor) and one.dim() == 3 else one
    if not isinstance(array, numpy.ndarray) or array.dtype != numpy.uint8:
        raise NoPicture(
            f"is {type(one).__name__} {getattr(one, 'dtype', '')}; give a path, a Pillow image or uint8 pixels"
        )
    pixels = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise NoPicture(f"has shape {tuple(one.shape)}; arrays are (H, W) or (H, W, 3), tensors (1, H, W) or (3, H, W)")
    return Image.fromarray(numpy.ascontiguousarray(pixels)).convert("RGB")


def _name(part: str, pictures: Sequence[Any], index: int) -> str:
    with contextlib.suppress(Exception):  # why it cannot be had is told already
        if isinstance(one := pictures[index], Path | str):
            return str(one)
    return f"picture {index} of {part}"
