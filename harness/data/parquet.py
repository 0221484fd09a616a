"""Parquet files of pictures, as Hugging Face's hub and its mirrors lay them out; columns are found by the schema."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet
import torch
from PIL import Image
from torch import Tensor

from harness.data.layouts import role_of
from harness.data.listing import Found, Listing, Undecoded
from harness.data.pixels import NoPicture, picture, square
from harness.data.tree import Folder, LeftOut, left_out
from harness.errors import UserError

IMAGES, LABELS = ("img", "image"), ("label", "labels", "fine_label", "class", "target")
"""Names of columns that are taken first; else the only column that can be it."""

_PREFIX = re.compile(r"(train|test|valid|val|dev)")
"""How a file's name begins that says which part it is."""


class Wanted(NamedTuple):
    """What a data set takes of parquet files."""

    owner: str
    """Whose files they are, for people."""
    labels: tuple[str, ...]
    """Names of the column of labels, the best one first."""
    class_names: tuple[str, ...] | None
    """By label; None for those that the files name."""
    cut: Callable[[Image.Image, int], Tensor]
    """Makes a tensor of a picture and a size; raises ``NoPicture``."""
    expected: str
    """What is said where something else is there."""


GENERAL = Wanted(
    owner="a folder of images",
    labels=LABELS,
    class_names=None,
    cut=square,
    expected="train*.parquet with a column of images (image or img) and one of labels",
)


class Columns(NamedTuple):
    """Which columns of a file are read."""

    image: str
    label: str
    class_names: tuple[str, ...] | None
    """By label, where the file says so."""


def find(there: Folder, wanted: Wanted) -> Found:
    """Return the parquet files below a folder, by part: by the beginning of their names, else by their folder's name.

    Raises:
        UserError: none is for training, a part lies in two folders, or a file lacks a column.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted((path for folder in there.walk() for path in folder.tables), key=Path.as_posix):
        files.setdefault(_part(path) or "", []).append(path)
    held_out = next((role for role in ("test", "val") if role in files), None)
    if "train" not in files or (wanted.class_names and held_out is None):
        missing = "test" if "train" in files else "train"
        raise UserError(f"data/root: {there.path} has no {missing}*.parquet; {wanted.owner} needs {wanted.expected}")
    taken = ["train", *([held_out] if held_out else [])]
    for role in taken:
        _refuse_two_places(files[role], there.path)
        for path in files[role]:
            _columns(path, wanted)

    def listed(size: int) -> Listing:
        return _listed(files["train"], files[held_out] if held_out else None, wanted, size)

    rest: LeftOut = Counter()
    for role in sorted({*files} - {*taken}):
        rest[f"parquet files ({role or 'of no part'})"] = len(files[role])
    pictures = sum(len(folder.pictures) for folder in there.walk())
    rest += Counter({"images beside the parquet files": pictures})
    return Found(
        root=there.path,
        files=tuple(path for role in taken for path in files[role]),
        left_out=rest + left_out(there.walk()),
        open=listed,
        layout=" and ".join(f"{role}*.parquet" for role in taken),
    )


def first_pictures(path: Path, most: int) -> list[bytes]:
    """Return the first pictures of a file, encoded.

    Raises:
        UserError: the file cannot be read, or has no column of images and one of labels.
    """
    columns = _columns(path, GENERAL)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(most, columns=[columns.image]), None)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"data/root: {path}: {_said(error)}; fetch the file again") from error
    encoded = [] if batch is None else _encoded(batch.column(0))
    return [one for one in encoded if one is not None]


def _part(path: Path) -> str | None:
    begun = _PREFIX.match(path.name.lower())
    return role_of(begun.group(1)) if begun else role_of(path.parent.name)


def _refuse_two_places(files: list[Path], root: Path) -> None:
    places = sorted({path.parent for path in files})
    if len(places) > 1:
        raise UserError(f"data/root: {root} has the same part in {places[0]} and in {places[1]}; name one of them")


def _columns(path: Path, wanted: Wanted) -> Columns:
    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"data/root: {path}: {_said(error)}; {wanted.owner} needs {wanted.expected}") from error
    names = _classes_by_column(schema)
    image = _chosen([field.name for field in schema if _holds_images(field)], IMAGES)
    labels = [field.name for field in schema if pyarrow.types.is_integer(field.type) or field.name in names]
    label = _chosen(labels + [field.name for field in schema if pyarrow.types.is_string(field.type)], wanted.labels)
    if label is None and wanted.class_names is None and len(names) == 1:
        label = next(iter(names))
    if image is None or label is None:
        raise UserError(f"data/root: {path} has columns {schema.names}; {wanted.owner} needs {wanted.expected}")
    return Columns(image, label, names.get(label))


def _chosen(there: list[str], wished: tuple[str, ...]) -> str | None:
    """Return the best-named column; one of another name only where images are looked for and it is the only one."""
    named = next((name for name in wished if name in there), None)
    return there[0] if named is None and wished == IMAGES and len(there) == 1 else named


def _holds_images(field: Any) -> bool:
    """Say whether a column holds encoded images: structs with ``bytes``, as Hugging Face has them, or plain bytes."""
    kind = field.type
    if pyarrow.types.is_struct(kind):
        return any(inner.name == "bytes" and _binary(inner.type) for inner in kind)
    return _binary(kind)


def _binary(kind: Any) -> bool:
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _classes_by_column(schema: Any) -> dict[str, tuple[str, ...]]:
    """Return what Hugging Face's metadata say of columns of labels."""
    told = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(told).get("info", {}).get("features", {}) if told else {}
    return {
        name: tuple(feature["names"])
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def _listed(train: list[Path], test: list[Path] | None, wanted: Wanted, size: int) -> Listing:
    names = wanted.class_names or _names([*train, *(test or [])], wanted)
    held_out = None if test is None else _undecoded(test, wanted, names, size)
    return Listing(_undecoded(train, wanted, names, size), held_out, names)


def _names(files: list[Path], wanted: Wanted) -> tuple[str, ...]:
    """Return the classes that the first file names, else the labels that there are, sorted, at least two."""
    told = _columns(files[0], wanted).class_names
    if told is not None:
        return told
    labels = {label for path in files for label in _column(path, _columns(path, wanted).label).to_pylist()}
    if None in labels or len(labels) < 2:
        raise UserError(f"data/root: {files[0]}: labels {sorted(map(str, labels))}; at least 2 classes are needed")
    return tuple(str(label) for label in sorted(labels))


def _undecoded(files: list[Path], wanted: Wanted, names: tuple[str, ...], size: int) -> Undecoded:
    encoded: list[bytes | None] = []
    called: list[tuple[Path, int]] = []
    labels: list[int] = []
    for path in files:
        columns = _columns(path, wanted)
        column = _column(path, columns.image)
        found = _encoded(column)
        encoded += found
        called += [(path, row) for row in range(len(found))]
        labels += _labels(path, columns, wanted, names)

    def decode(index: int) -> Tensor:
        if encoded[index] is None:
            raise NoPicture("has no bytes, only a path")
        return wanted.cut(picture(encoded[index]), size)

    y = torch.tensor(labels, dtype=torch.int64)
    return Undecoded(y, decode, lambda index: f"{called[index][0]}, row {called[index][1]}")


def _encoded(column: Any) -> list[bytes | None]:
    found: list[bytes | None] = (column.field("bytes") if pyarrow.types.is_struct(column.type) else column).to_pylist()
    return found


def _labels(path: Path, columns: Columns, wanted: Wanted, names: tuple[str, ...]) -> list[int]:
    given = _column(path, columns.label).to_pylist()
    known = set(range(len(names))) if wanted.class_names or columns.class_names else set()
    by_name = {} if known else {name: index for index, name in enumerate(names)}
    for label in given:
        if label not in known and str(label) not in by_name:
            what = f"labels 0 to {len(names) - 1}" if known else f"labels {', '.join(names)}"
            raise UserError(f"data/root: {path}: {columns.label} {label}; {wanted.owner} has {what}")
    return [label if known else by_name[str(label)] for label in given]


def _column(path: Path, name: str) -> Any:
    try:
        return pyarrow.parquet.read_table(path, columns=[name]).column(name).combine_chunks()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"data/root: {path}: {_said(error)}; fetch the file again") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
