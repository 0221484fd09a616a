"""How people lay out pictures in class folders: which folder is a class, and which a part of the data set.

Known are ``<class>/*``; ``train/<class>/*`` with what is held out beside it, under the names that people give them;
Tiny ImageNet's own archive, its ``val`` sorted or not; FaceScrub's ``actors/faces/<person>/*``; and each of them in a
folder of its own, as archives unpack.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harness.data.tree import Folder, LeftOut, left_out
from harness.errors import UserError

Files = dict[str, list[Path]]
"""A class's pictures, in the order of their paths."""

ROLES = {
    "train": ("train", "training", "trn", "train_set", "training_set", "seg_train"),
    "test": ("test", "testing", "tst", "test_set", "testing_set", "seg_test"),
    "val": ("val", "valid", "validation", "validate", "dev", "eval", "val_set", "valid_set", "validation_set"),
}
"""What the parts of a data set are called, in lower case, ``-`` and blanks as ``_``."""

SKETCH = (
    "<class>/*, or train/<class>/* with an optional test/<class>/* or val/<class>/*, or train*.parquet with an "
    "optional test*.parquet, the pictures of any common format"
)

ANNOTATIONS = "val_annotations.txt"

FACES = ("actors", "actresses")

FACESCRUB = "FaceScrub's actors/faces/<person>/*"

NUMBERED = re.compile(r"(fold|split|part|partition|subset|batch|set)[_ -]?\d+")
"""Names of folders that are parts of a data set by no agreed rule."""


class Layout(NamedTuple):
    """Pictures by class, sorted by the class's name."""

    train: Files
    test: Files | None
    """None where nothing is held out."""
    left_out: LeftOut
    shape: str
    """In words."""


def role_of(name: str) -> str | None:
    """Return which part of a data set a folder's name stands for: a key of ``ROLES``; null for none."""
    plain = re.sub(r"[- ]", "_", name.lower())
    return next((role for role, names in ROLES.items() if plain in names), None)


def layout(root: Folder) -> Layout:
    """Return the pictures by class.

    Raises:
        UserError: it is no known layout, has less than two classes, or a class is held out that none is trained on.
    """
    base = _unwrapped(root)
    found = _faces(base) or _parts(base)
    if len(found.train) < 2:
        raise UserError(
            f"data/root: {root.path} holds images of {len(found.train)} classes; at least 2 are needed: {SKETCH}"
        )
    taken = {path for files in (found.train, found.test or {}) for paths in files.values() for path in paths}
    tables = Counter({"of other kinds (.parquet)": sum(len(folder.tables) for folder in root.walk())})
    return found._replace(left_out=_rest(root, taken) + left_out(root.walk()) + tables)


def _unwrapped(folder: Folder) -> Folder:
    """Return the folder that an archive's own folder hides, as many times as there is one."""
    while not folder.pictures:
        full = _full(folder)
        if len(full) != 1 or role_of(full[0].path.name) == "train" or not _full(full[0]):
            break
        folder = full[0]
    return folder


def _full(folder: Folder) -> list[Folder]:
    """Return the folders in it with pictures anywhere below."""
    return [inner for inner in folder.folders.values() if any(below.pictures for below in inner.walk())]


def _faces(base: Folder) -> Layout | None:
    """Return FaceScrub as its downloaders write it: ``actors`` and ``actresses``, faces apart from photographs."""
    halves = [folder for folder in _full(base) if folder.path.name.lower() in FACES]
    if not halves or len(halves) < len(_full(base)) or any(not _full(half) for half in halves):
        return None
    people: Files = {}
    for half in halves:
        for name, paths in half.folders.get("faces", half).classes().items():
            people.setdefault(name, []).extend(paths)
    return Layout(dict(sorted(people.items())), None, Counter(), FACESCRUB)


def _parts(base: Folder) -> Layout:
    parts = _named(base)
    if "train" not in parts:
        if parts and len(parts) == len(_full(base)):
            there = ", ".join(str(folder.path.name) for folder in parts.values())
            raise UserError(f"data/root: {base.path} has {there} but no train; known are {SKETCH}")
        _refuse_numbered(base)
        return Layout(base.classes(), None, Counter(), "<class>/*")
    train = _classes(parts["train"])
    held_out = _held_out(parts, train)
    roles = ["train", *([] if held_out is None else [held_out[0]])]
    shape = " and ".join(f"{parts[role].path.name}/<class>/*" for role in roles)
    return Layout(train, None if held_out is None else held_out[1], Counter(), shape)


def _named(base: Folder) -> dict[str, Folder]:
    """Return the folders that are parts by their names and hold classes, not pictures alone."""
    found: dict[str, Folder] = {}
    for folder in base.folders.values():
        role = role_of(folder.path.name)
        if role is None or not (_full(folder) or _annotated(folder)):
            continue
        if role in found:
            raise UserError(
                f"data/root: {base.path} has both {found[role].path.name} and {folder.path.name}; keep one, or name "
                f"another folder: {SKETCH}"
            )
        found[role] = folder
    return found


def _classes(part: Folder) -> Files:
    if _annotated(part):
        return _from_annotations(part)
    inner = _full(part)
    if len(inner) == 1 and role_of(inner[0].path.name) == role_of(part.path.name) and _full(inner[0]):
        return inner[0].classes()  # archives that repeat a part's name
    return part.classes()


def _held_out(parts: dict[str, Folder], train: Files) -> tuple[str, Files] | None:
    """Return the role and the classes of ``test``, else of ``val``.

    One without classes is left out, one with others is refused.
    """
    found = {role: _classes(parts[role]) for role in ("test", "val") if role in parts}
    for role, files in found.items():
        if files and files.keys() <= train.keys():
            return role, files
    for role, files in found.items():
        unknown = sorted(files.keys() - train.keys())
        if unknown and list(files) != ["images"]:
            here, there = parts[role].path, parts["train"].path
            raise UserError(f"data/root: {here} has the class {unknown[0]!r}, which {there} has not")
    return None


def _refuse_numbered(base: Folder) -> None:
    """Refuse folders that hold the same classes each, under names that say they are no classes."""
    full = _full(base)
    if len(full) < 2 or not all(NUMBERED.fullmatch(folder.path.name.lower()) for folder in full):
        return
    shared = set.intersection(*(set(folder.classes()) for folder in full))
    if len(shared) > 1:
        names = ", ".join(folder.path.name for folder in full[:3])
        raise UserError(f"data/root: {base.path} has {names}, each with the same classes; known are {SKETCH}")


def _annotated(part: Folder) -> bool:
    """Say whether it is Tiny ImageNet's unsorted part; a sorted one may still have the list beside the classes."""
    images = part.folders.get("images")
    return bool(images and images.pictures) and (part.path / ANNOTATIONS).is_file()


def _from_annotations(part: Folder) -> Files:
    """Read lines of file name, class and box, separated by tabs."""
    listed, there = part.path / ANNOTATIONS, {path.name: path for path in part.folders["images"].pictures}
    files: Files = {}
    for number, line in enumerate(listed.read_text(encoding="utf-8").splitlines(), 1):
        name, tab, rest = line.partition("\t")
        if not tab or name not in there:
            what = f"{name} is not in {part.folders['images'].path}" if tab else "takes a file name, a tab and a class"
            raise UserError(f"data/root: {listed}, line {number}: {what}; unpack the archive again")
        files.setdefault(rest.partition("\t")[0], []).append(there[name])
    return dict(sorted(files.items()))


def _rest(root: Folder, taken: set[Path]) -> LeftOut:
    """Return how many pictures are in no class, by the folder below the root that they lie in."""
    rest: LeftOut = Counter()
    for where, paths in _places(root):
        if count := sum(path not in taken for path in paths):
            rest[f"images {where}"] += count
    return rest


def _places(root: Folder) -> Iterable[tuple[str, list[Path]]]:
    yield "outside any class folder", root.pictures
    for name, folder in root.folders.items():
        yield f"below {name}", folder.below()
