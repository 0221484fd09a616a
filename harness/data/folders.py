"""Class folders of images of any size: ``root/train/<class>/*`` with a held-out folder, or ``root/<class>/*``."""

from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps
from torch import Tensor

from harness.data.decode import decode_all
from harness.data.parts import SPLIT_SEED, Labelled, Original, dealt
from harness.errors import UserError

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
"""Image formats by the file name's ending, in lower case; no other decoder is ever tried."""

EXPECTED = f"train/<class>/* with an optional test/<class>/* or val/<class>/*, or <class>/*, of {', '.join(FORMATS)}"

Files = dict[str, list[Path]]
"""A class's image files, in the order of their paths."""


def check(root: Path | None, download: bool) -> None:
    """Refuse a root without at least two classes of images, and a download: there is no source to fetch from."""
    _find(root, download)


def read(root: Path | None, size: int, download: bool) -> Original:
    """Return the images, each resized to cover a square and cut to its centre, in an order that mixes the classes."""
    train, test = _find(root, download)
    names = tuple(train)
    return Original(_decoded(train, names, size), None if test is None else _decoded(test, names, size), names)


def _find(root: Path | None, download: bool) -> tuple[Files, Files | None]:
    """Return the training files by class, and the held-out ones: of ``test``, else ``val``, with known classes only."""
    if root is None or not root.is_dir():
        missing = "a folder of images is needed" if root is None else f"there is no folder {root}"
        raise UserError(f"data/root: {missing}: {EXPECTED}")
    if download:
        raise UserError("data/download: true: class folders of images are not downloaded; put them into data/root")
    train = _class_files(root / "train" if (root / "train").is_dir() else root)
    if len(train) < 2:
        raise UserError(f"data/root: {root} holds images of {len(train)} classes; at least 2 are needed: {EXPECTED}")
    return train, _held_out(root, train) if (root / "train").is_dir() else None


def _held_out(root: Path, train: Files) -> Files | None:
    found = {name: _class_files(root / name) for name in ("test", "val") if (root / name).is_dir()}
    for files in found.values():
        if files and files.keys() <= train.keys():
            return files
    for name, files in found.items():
        if unknown := sorted(files.keys() - train.keys()):
            raise UserError(f"data/root: {root / name} has the class {unknown[0]!r}, which {root / 'train'} has not")
    return None


def _class_files(folder: Path) -> Files:
    """Return the classes that have images, sorted by name; Tiny ImageNet's unsorted ``val`` is read with its list."""
    annotations = folder / "val_annotations.txt"
    if annotations.is_file():
        return _annotated(annotations)
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = {name: _image_files(folder / name) for name in classes}
    return {name: paths for name, paths in files.items() if paths}


def _image_files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in FORMATS and path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _annotated(annotations: Path) -> Files:
    """Read lines of file name, class and box, separated by tabs."""
    files: Files = {}
    for line in annotations.read_text().splitlines():
        name, label = line.split("\t")[:2]
        files.setdefault(label, []).append(annotations.parent / "images" / name)
    return dict(sorted(files.items()))


def _decoded(files: Files, names: tuple[str, ...], size: int) -> Labelled:
    paths = [path for name in files for path in files[name]]
    y = torch.tensor([names.index(name) for name in files for _ in files[name]], dtype=torch.int64)
    # sorted by class, a first part of them would lack classes
    order = dealt(y, SPLIT_SEED)
    chosen = [paths[index] for index in order.tolist()]
    return Labelled(decode_all(len(chosen), lambda index: _square(chosen[index], size), size), y[order])


def _square(path: Path, size: int) -> Tensor:
    """Return an image as uint8 ``(3, size, size)``: upright, RGB, scaled to cover the square, and its centre."""
    try:
        with Image.open(path, formats=tuple(FORMATS.values())) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"data/root: {path} cannot be read as an image; mend or remove it") from error
    square = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(numpy.array(square)).permute(2, 0, 1)
