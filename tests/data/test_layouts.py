"""Folders as people have them: what is data, what is not, which folder is a class and which a part."""

import json
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from harness.data import DATASETS, Reading, find, load
from harness.data.listing import Undecoded
from harness.data.tree import in_words
from harness.errors import UserError
from tests.data.test_data import png, write_parquet

CPU = torch.device("cpu")


def images(folder: Path, count: int, ending: str = "png") -> Path:
    """Write noise, no two images alike wherever they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        seed = [*folder.as_posix().encode(), index]
        pixels = numpy.random.default_rng(seed).integers(0, 256, (12, 12, 3), numpy.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.{ending}")
    return folder


def counts(root: Path, name: str = "folder") -> tuple[dict[str, int], dict[str, int] | None]:
    """Return the training images and the held-out ones by class."""
    listing = find(Reading(name=name, root=str(root))).open(16)
    names = listing.class_names

    def counted(part: Undecoded) -> dict[str, int]:
        return dict(zip(names, part.y.bincount(minlength=len(names)).tolist(), strict=True))

    return counted(listing.train), None if listing.test is None else counted(listing.test)


def said(root: Path, name: str = "folder") -> str:
    return in_words(find(Reading(name=name, root=str(root))).left_out)


# what is no data


def test_what_systems_leave_behind_is_no_class_and_no_image(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images(tmp_path / name, 20)
        images(tmp_path / name / ".ipynb_checkpoints", 20)
        (tmp_path / name / "._0.png").write_bytes(b"\0\5\26\7")
        (tmp_path / name / "Thumbs.db").write_bytes(b"")
    images(tmp_path / "__MACOSX" / "a", 3)
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert counts(tmp_path) == ({"a": 20, "b": 20}, None)
    assert said(tmp_path) == "left out: 5 hidden files, 3 hidden folders"


def test_files_of_other_kinds_and_images_without_a_class_are_counted(tmp_path: Path) -> None:
    images(tmp_path / "a", 20)
    images(tmp_path / "b", 20)
    images(tmp_path, 2)
    (tmp_path / "labels.csv").write_text("")
    (tmp_path / "a" / "note.TXT").write_text("")
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert counts(tmp_path) == ({"a": 20, "b": 20}, None)
    assert set(said(tmp_path).removeprefix("left out: ").split(", ")) == {
        "2 images outside any class folder", "1 unreadable", "1 of other kinds (.csv)", "1 of other kinds (.txt)"
    }  # fmt: skip


def test_every_common_format_is_looked_at(tmp_path: Path) -> None:
    images(tmp_path / "a", 5)
    endings = ("gif", "tif", "TIFF", "bmp", "webp", "pgm", "ppm", "jp2", "JPG", "jfif")
    for ending in endings:
        images(tmp_path / "b", 1, ending).joinpath(f"0.{ending}").rename(tmp_path / "b" / f"{ending}.{ending}")
    assert counts(tmp_path)[0] == {"a": 5, "b": len(endings)}
    pictures = find(Reading(name="folder", root=str(tmp_path))).open(12).train
    assert {pictures.decode(index).shape for index in range(len(pictures.y))} == {(3, 12, 12)}


def test_a_link_is_followed_and_a_ring_of_links_is_refused(tmp_path: Path) -> None:
    images(tmp_path / "data" / "a", 5)
    (tmp_path / "data" / "b").mkdir()
    (tmp_path / "data" / "b" / "more").symlink_to(images(tmp_path / "elsewhere", 7))
    assert counts(tmp_path / "data")[0] == {"a": 5, "b": 7}
    for target in (tmp_path / "data", tmp_path, tmp_path / "data" / "b"):
        link = tmp_path / "data" / "b" / "ring"
        link.symlink_to(target)
        with pytest.raises(UserError, match=r"ring leads back to .*remove the link"):
            counts(tmp_path / "data")
        link.unlink()
    (tmp_path / "elsewhere" / "b").symlink_to(tmp_path / "data" / "b")
    with pytest.raises(UserError, match="leads back to"):
        counts(tmp_path / "data")


# layouts


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("train", "test"), ("train", "val"), ("Train", "Test"), ("training", "validation"), ("train", "valid"),
        ("Training", "Testing"), ("training_set", "test_set"), ("seg_train/seg_train", "seg_test/seg_test"),
        ("archive/train", "archive/dev"),
    ],
)  # fmt: skip
def test_parts_are_known_by_the_names_that_people_give_them(train: str, held_out: str, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        images(tmp_path / train / name, 6)
        images(tmp_path / held_out / name, 2)
    assert counts(tmp_path) == ({"cat": 6, "dog": 6}, {"cat": 2, "dog": 2})


def test_of_two_held_out_parts_test_is_taken_and_the_other_is_told(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("val", 3), ("test", 2)):
        for name in ("cat", "dog"):
            images(tmp_path / part / name, count)
    assert counts(tmp_path)[1] == {"cat": 2, "dog": 2}
    assert said(tmp_path) == "left out: 6 images below val"


def test_keras_archive_is_a_folder_of_classes_in_a_folder(tmp_path: Path) -> None:
    for name in ("daisy", "tulip"):
        images(tmp_path / "flower_photos" / name, 6)
    (tmp_path / "flower_photos" / "LICENSE.txt").write_text("")
    assert counts(tmp_path)[0] == {"daisy": 6, "tulip": 6}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("car", "train"):
        images(tmp_path / name, 6)
    assert counts(tmp_path) == ({"car": 6, "train": 6}, None)


def test_a_class_keeps_its_folders(tmp_path: Path) -> None:
    for name in ("anna/front", "anna/side", "bert/front", "bert/side"):
        images(tmp_path / name, 3)
    assert counts(tmp_path) == ({"anna": 6, "bert": 6}, None)


def tiny_imagenet(root: Path) -> None:
    for name in ("n1", "n2"):
        images(root / "train" / name / "images", 6)
        (root / "train" / name / f"{name}_boxes.txt").write_text("")
    images(root / "test" / "images", 4)


def test_tiny_imagenet_unpacked_with_val_unsorted(tmp_path: Path) -> None:
    root = tmp_path / "tiny-imagenet-200"
    tiny_imagenet(root)
    images(root / "val" / "images", 4)
    lines = [f"{index}.png\tn{label}\t0\t0\t9\t9" for index, label in enumerate((2, 1, 2))]
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    assert counts(tmp_path, "tinyimagenet") == ({"n1": 6, "n2": 6}, {"n1": 1, "n2": 2})
    assert "5 images below tiny-imagenet-200" in said(tmp_path, "tinyimagenet")
    (root / "val" / "val_annotations.txt").write_text("\n".join([*lines, "9.png\tn1"]) + "\n")
    with pytest.raises(UserError, match=r"val_annotations.txt, line 4: 9\.png is not in .*images; unpack"):
        counts(tmp_path, "tinyimagenet")


@pytest.mark.parametrize("below", ["", "images"])
def test_tiny_imagenet_with_val_sorted_by_the_public_downloaders(below: str, tmp_path: Path) -> None:
    tiny_imagenet(tmp_path)
    for name in ("n1", "n2"):
        images(tmp_path / "val" / name / below, 3)
    (tmp_path / "val" / "val_annotations.txt").write_text("0.png\tn1\t0\t0\t9\t9\n")
    assert counts(tmp_path, "tinyimagenet") == ({"n1": 6, "n2": 6}, {"n1": 3, "n2": 3})


@pytest.mark.parametrize("faces", ["faces", ""])
def test_facescrubs_people_are_its_classes(faces: str, tmp_path: Path) -> None:
    for person in ("actors/{}/Al", "actors/{}/Ben", "actresses/{}/Cleo"):
        images(tmp_path / person.format(faces), 4)
    if faces:
        images(tmp_path / "actors" / "images" / "Al", 2)
    assert counts(tmp_path, "facescrub")[0] == {"Al": 4, "Ben": 4, "Cleo": 4}
    assert said(tmp_path, "facescrub") == ("left out: 2 images below actors" if faces else "")


def test_an_unknown_layout_is_refused_with_a_sketch_of_the_known_ones(tmp_path: Path) -> None:
    known = r"<class>/\*, or train/<class>/\* with an optional test/<class>/\*.*train\*\.parquet"
    images(tmp_path / "flat", 6)
    with pytest.raises(UserError, match=rf"flat holds images of 0 classes; at least 2 are needed: {known}"):
        counts(tmp_path / "flat")
    for part in ("fold1", "fold2"):
        for name in ("cat", "dog"):
            images(tmp_path / "folds" / part / name, 3)
    with pytest.raises(UserError, match=rf"folds has fold1, fold2, each with the same classes; known are {known}"):
        counts(tmp_path / "folds")
    for part in ("test", "valid"):
        images(tmp_path / "untrained" / part / "cat", 3)
    with pytest.raises(UserError, match=rf"untrained has test, valid but no train; known are {known}"):
        counts(tmp_path / "untrained")
    for part in ("train", "Training"):
        images(tmp_path / "twice" / part / "cat", 3)
    with pytest.raises(UserError, match="twice has both Training and train; keep one"):
        counts(tmp_path / "twice")


# parquet


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-ab12.parquet", "data/test-00000-of-00001-cd34.parquet"),
        ("train.parquet", "test.parquet"),
    ],
)
def test_parquet_is_found_where_the_hub_puts_it(train: str, test: str, tmp_path: Path) -> None:
    x = torch.randint(0, 256, (30, 3, 32, 32), dtype=torch.uint8)
    write_parquet(tmp_path / train, x[:20], {"label": [index % 10 for index in range(20)]})
    write_parquet(tmp_path / test, x[20:], {"label": list(range(10))})
    data = load(Reading(name="cifar10", root=str(tmp_path), protocol="cem"), CPU)
    assert data.parts["test"].x.equal(x[20:])
    assert len(data.parts["train"].y) == 20


def hub_table(column: str, label: str, y: list[Any], names: list[str] | None, side: int = 12) -> pyarrow.Table:
    x = torch.randint(0, 256, (len(y), 3, side, side), dtype=torch.uint8)
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    encoded = pyarrow.array([{"bytes": png(image), "path": None} for image in x], kind)
    table = pyarrow.table({column: encoded, label: y, "id": pyarrow.array([str(index) for index in range(len(y))])})
    if names is None:
        return table
    features = {label: {"names": names, "_type": "ClassLabel"}, column: {"_type": "Image"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@pytest.mark.parametrize(
    ("column", "label", "y", "names", "classes"),
    [
        ("image", "label", [0, 1] * 5, ["cat", "dog"], ("cat", "dog")),
        ("image", "labels", [3, 7] * 5, None, ("3", "7")),
        ("pixels", "breed", [1, 0] * 5, ["cat", "dog"], ("cat", "dog")),
        ("img", "label", ["dog", "cat"] * 5, None, ("cat", "dog")),
    ],
)
def test_columns_and_classes_are_those_that_the_schema_tells(
    column: str, label: str, y: list[Any], names: list[str] | None, classes: tuple[str, ...], tmp_path: Path
) -> None:
    for part in ("train", "validation"):
        file = tmp_path / f"{part}-00000-of-00001.parquet"
        pyarrow.parquet.write_table(hub_table(column, label, y, names), file)
    listing = find(Reading(name="folder", root=str(tmp_path))).open(12)
    assert listing.class_names == classes
    called = [classes[label] for label in listing.train.y.tolist()]
    assert called == [names[label] if names else str(label) for label in y]
    assert listing.test is not None
    assert listing.train.decode(3).shape == (3, 12, 12)


def test_parquet_that_cannot_be_told_apart_is_refused(tmp_path: Path) -> None:
    for config in ("one", "two"):
        (tmp_path / config).mkdir()
        table = hub_table("image", "label", [0, 1], ["a", "b"])
        pyarrow.parquet.write_table(table, tmp_path / config / "train-0.parquet")
    with pytest.raises(UserError, match=r"the same part in .*one and in .*two; name one of them"):
        find(Reading(name="folder", root=str(tmp_path)))
    table = hub_table("image", "label", [0, 1], None).drop_columns(["label"])
    pyarrow.parquet.write_table(table, tmp_path / "one" / "train-0.parquet")
    with pytest.raises(UserError, match=r"train-0\.parquet has columns \['image', 'id'\]; a folder of images needs"):
        find(Reading(name="folder", root=str(tmp_path / "one")))


def test_every_data_set_of_folders_promises_what_its_publisher_gives() -> None:
    promised = {name: source.promise for name, source in DATASETS.items() if source.promise}
    assert {name: promise.classes for name, promise in promised.items()} == {
        "cifar10": 10, "cifar100": 100, "tinyimagenet": 200, "facescrub": 530
    }  # fmt: skip
