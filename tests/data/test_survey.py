"""What is said of a folder that nobody has described: which data set it is, how much of it, what pictures."""

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from PIL import Image

from harness.data.pixels import Header
from harness.data.survey import survey
from harness.errors import UserError
from tests.data.test_layouts import hub_table, images, tiny_imagenet

CLASSES = ("boats", "cars", "dogs", "trees")


def photographs(root: Path, count: int = 6) -> Path:
    for name in CLASSES:
        images(root / name, count)
    return root


def as_they_are(root: Path) -> None:
    photographs(root)


def train_and_val(root: Path) -> None:
    photographs(root / "Training")
    photographs(root / "valid", 2)


def parquet(root: Path) -> None:
    for part in ("train", "test"):
        table = hub_table("image", "label", [0, 1] * 10, ["cat", "dog"])
        pyarrow.parquet.write_table(table, root / f"{part}-00000-of-00001.parquet")


def cifar_of_the_hub(root: Path) -> None:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for part, each in (("train", 6), ("test", 2)):
        table = hub_table("img", "label", list(range(10)) * each, names, 32)
        pyarrow.parquet.write_table(table, root / f"{part}-00000-of-00001.parquet")


def tiny(root: Path) -> None:
    tiny_imagenet(root / "tiny-imagenet-200")
    (root / "tiny-imagenet-200" / "wnids.txt").write_text("n1\nn2\n")


def faces(root: Path) -> None:
    for person in ("actors/faces/Al", "actors/faces/Ben", "actresses/faces/Cleo"):
        images(root / person, 6)


@pytest.mark.parametrize(
    ("make", "name", "layout", "classes", "held_out", "size"),
    [
        (as_they_are, "folder", "<class>/*", dict.fromkeys(CLASSES, 6), 0, 32),
        (train_and_val, "folder", "Training/<class>/* and valid/<class>/*", dict.fromkeys(CLASSES, 6), 8, 32),
        (parquet, "folder", "train*.parquet and test*.parquet", {"cat": 10, "dog": 10}, 20, 32),
        (cifar_of_the_hub, "cifar10", "train*.parquet and test*.parquet", None, 20, 32),
        (tiny, "tinyimagenet", "train/<class>/*", {"n1": 6, "n2": 6}, 0, 64),
        (faces, "facescrub", "FaceScrub's actors/faces/<person>/*", {"Al": 6, "Ben": 6, "Cleo": 6}, 0, 48),
    ],
)
def test_a_folder_is_told_as_what_it_is(
    make: Any, name: str, layout: str, classes: dict[str, int] | None, held_out: int, size: int, tmp_path: Path
) -> None:
    make(tmp_path)
    seen = survey(str(tmp_path))
    assert (seen.name, seen.layout, seen.held_out, seen.size) == (name, layout, held_out, size)
    assert classes is None or seen.classes == classes
    assert seen.modes == {"RGB": len(seen.headers)}
    there = sum(seen.classes.values()) if layout.endswith(".parquet") else sum(seen.classes.values()) + held_out
    assert len(seen.headers) == there


def test_what_needs_no_folder_is_named() -> None:
    seen = survey("digits")
    assert (seen.name, seen.root, seen.sides, sum(seen.classes.values())) == ("digits", None, None, 1797)
    own = survey("tests.data.test_own:arrays")
    assert (own.name, own.classes, own.size) == ("tests.data.test_own:arrays", {"dark": 20, "bright": 20}, 64)


def test_sizes_modes_copies_and_what_is_left_out_are_counted(tmp_path: Path) -> None:
    photographs(tmp_path)
    (tmp_path / "boats" / "copy.png").write_bytes((tmp_path / "boats" / "0.png").read_bytes())
    (tmp_path / "cars" / ".hidden.png").write_bytes(b"")
    (tmp_path / "dogs" / "notes.txt").write_text("")
    Image.new("I;16", (400, 300), 9).save(tmp_path / "cars" / "deep.png")
    Image.new("CMYK", (500, 100), (9, 0, 0, 0)).save(tmp_path / "dogs" / "print.jpg")
    turn = Image.Exif()
    turn[0x0112] = 6
    Image.new("L", (90, 200), 7).save(tmp_path / "trees" / "turned.jpg", exif=turn)
    seen = survey(str(tmp_path))
    assert seen.modes == {"RGB": 25, "I;16": 1, "CMYK": 1, "L": 1}
    assert seen.sides == (12, 12, 300)
    assert [one for one in seen.headers if one.turned] == [Header(200, 90, "L", True)]
    assert seen.ready.told == ("left out: 1 hidden file, 1 of other kinds (.txt), 1 exact copy of other images",)
    assert sum(seen.ready.parts.values()) == 27


@pytest.mark.parametrize(("side", "size"), [(200, 64), (64, 64), (63, 48), (28, 32)])
def test_the_size_is_what_most_pictures_have(side: int, size: int, tmp_path: Path) -> None:
    for index, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("L", (side + 9, side), 40 * index + 5 * number).save(tmp_path / name / f"{number}.png")
    assert survey(str(tmp_path)).size == size


def test_what_is_no_folder_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder nowhere"):
        survey("nowhere")
    with pytest.raises(UserError, match="holds images of 0 classes; at least 2 are needed"):
        survey(str(tmp_path))
    with pytest.raises(UserError, match="cifar10 needs a folder"):
        survey("cifar10")


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (photographs(tmp_path) / "dogs" / "torn.png").write_bytes((tmp_path / "dogs" / "0.png").read_bytes()[:80])
    with pytest.raises(UserError, match=r"dogs/torn.png cannot be read as an image: .*; mend or remove it"):
        survey(str(tmp_path))


def test_torchvisions_folder_may_be_named_itself(tmp_path: Path) -> None:
    """An empty one stands for a torn one: what is looked for is known."""
    (tmp_path / "cifar-10-batches-py").mkdir()
    for where in (tmp_path, tmp_path / "cifar-10-batches-py"):
        with pytest.raises(UserError, match=rf"{tmp_path}/cifar-10-batches-py: .*; cifar10 needs"):
            survey(str(where))
