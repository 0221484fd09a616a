"""A data set of one's own: what its function may give, what is refused, and the contract that it has to keep."""

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from harness.data import Collection, Images, Reading, check, contract, load, read
from harness.driver.conditions import plugins
from harness.errors import UserError
from harness.plugins import Package
from harness.study.check import load_checked

HERE = "tests.data.test_own:"
SIZE = 16
COUNT = 40


def pixels(count: int = COUNT) -> numpy.ndarray:
    """Grey noise, brighter in the second class, ``(count, SIZE, SIZE)``."""
    noise = numpy.random.default_rng(0).integers(0, 100, (count, SIZE, SIZE))
    return (noise + 150 * labels(count)[:, None, None]).astype(numpy.uint8)


def labels(count: int = COUNT) -> numpy.ndarray:
    return numpy.arange(count) % 2


def collection(pictures, **changed) -> Collection:
    given = {"class_names": ("dark", "bright"), "train": Images(pictures=pictures, labels=labels(len(pictures)))}
    return Collection(**(given | changed))


def arrays(root: Path | None) -> Collection:
    return collection(pixels())


def colours(root: Path | None) -> Collection:
    return collection(numpy.repeat(pixels()[..., None], 3, axis=3))


def tensors(root: Path | None) -> Collection:
    return collection(torch.from_numpy(pixels())[:, None])


def images(root: Path | None) -> Collection:
    return collection([Image.fromarray(one) for one in pixels()])


def paths(root: Path | None) -> Collection:
    assert root is not None
    return collection(sorted(root.glob("*.png")))


def swapped(root: Path | None) -> Collection:
    assert root is not None
    files = sorted(root.glob("*.png"))
    return collection(files, train=Images(pictures=files, labels=1 - labels(len(files))))


def unmirrored(root: Path | None) -> Collection:
    return collection(pixels(), flips=False)


@pytest.fixture
def root(tmp_path) -> Path:
    for index, one in enumerate(pixels()):
        Image.fromarray(one).save(tmp_path / f"{index:03}.png")
    return tmp_path


def reading(name: str, root: Path | None = None, size: int = SIZE) -> Reading:
    return Reading(name=HERE + name, root=None if root is None else str(root), size=size)


def test_pictures_may_be_paths_images_arrays_or_tensors(root):
    seen = [read(reading(name, root)).original.train for name in ("paths", "images", "arrays", "colours", "tensors")]
    assert seen[0].x.shape == (COUNT, 3, SIZE, SIZE)
    assert all(torch.equal(one.x, seen[0].x) and torch.equal(one.y, seen[0].y) for one in seen)
    bright = seen[0].x.float().mean((1, 2, 3)) > 100
    assert torch.equal(bright.long(), seen[0].y)


def test_files_below_the_root_are_kept_and_other_labels_of_theirs_are_others(root):
    first, second = read(reading("paths", root)), read(reading("swapped", root))
    assert first.key is not None
    assert first.key != second.key
    assert read(reading("arrays")).key is None


def test_it_is_divided_and_mirrored_as_it_says():
    device = torch.device("cpu")
    data = load(reading("unmirrored", size=32), device)
    assert data.image_shape == (3, 32, 32)
    assert data.class_names == ("dark", "bright")
    assert set(data.parts) == {"train", "validation", "attacker", "attacker_validation", "test"}
    assert (data.flips, load(reading("arrays"), device).flips) == (False, True)


def torn(root):
    return collection([root / "000.png", root / "torn.png"] * 20)


def nothing(root):
    return None


def fails(root):
    return {}["images"]


def too_few_labels(root):
    return collection(pixels(), train=Images(pictures=pixels(), labels=[0, 1]))


def too_many_classes(root):
    return collection(pixels(), class_names=("dark",))


def wrong_labels(root):
    return collection(pixels(), train=Images(pictures=pixels(), labels=labels() + 1))


def named_labels(root):
    return collection(pixels(), train=Images(pictures=pixels(), labels=["dark", "bright"] * (COUNT // 2)))


def ragged_labels(root):
    return collection(pixels(), train=Images(pictures=pixels(), labels=[[0], [0, 1]]))


def generated(root):
    return collection(pixels(), train=Images(pictures=(one for one in pixels()), labels=labels()))


def one_name(root):
    return collection(pixels(), class_names="dark")


def takes_nothing():
    return collection(pixels())


NO_FUNCTION = collection(pixels())


def two_channels(root):
    return collection(numpy.zeros((COUNT, SIZE, SIZE, 2), numpy.uint8))


def channels_first(root):
    return collection(numpy.zeros((COUNT, 3, SIZE, SIZE), numpy.uint8))


def floats(root):
    return collection(pixels() / 255)


def once_each(root):
    return collection(pixels(6))


def same(root):
    return collection(numpy.zeros((COUNT, SIZE, SIZE), numpy.uint8))


def unsteady(root):
    return collection(numpy.random.default_rng().integers(0, 255, (COUNT, SIZE, SIZE)).astype(numpy.uint8))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "gives NoneType, not a harness.data.Collection"),
        ("fails", r"fails: KeyError: 'images' \(test_own.py, line \d+\)"),
        ("too_few_labels", r"train has 40 pictures and labels of shape \(2,\)"),
        ("too_many_classes", "at least two classes"),
        ("wrong_labels", "train has labels 1 to 2; they count the classes, 0 to 1"),
        ("named_labels", r"train has labels of <U6, as .*dark.*; they count the classes, from 0"),
        ("ragged_labels", r"train: .*; pictures are a sequence, and labels whole numbers, one of each"),
        ("generated", r"train: object of type 'generator' has no len\(\); pictures are a sequence"),
        ("one_name", "class_names is 'dark'; it is a list of names, at least two"),
        ("takes_nothing", r"TypeError: takes_nothing\(\) takes 0 positional arguments but 1 was given"),
        ("NO_FUNCTION", "is Collection, not a function; name one that takes root"),
        ("missing", "has no attribute 'missing'; is its package installed or on PYTHONPATH"),
    ],
)
def test_what_a_function_gives_is_refused_in_one_line(name, message):
    with pytest.raises(UserError, match=f"^data/name: .*{message}"):
        check(HERE + name, None)


def test_a_picture_that_cannot_be_had_is_named(root):
    (root / "torn.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"20 files cannot be read as images: .*torn.png"):
        read(reading("torn", root))
    with pytest.raises(UserError, match=r"picture .* of train: is ndarray float64; give a path"):
        read(reading("floats"))


@pytest.mark.parametrize(("name", "shape"), [("two_channels", "16, 16, 2"), ("channels_first", "3, 16, 16")])
def test_pixels_of_another_shape_are_refused_with_the_shapes_that_are_right(name, shape):
    with pytest.raises(UserError, match=rf"has shape \({shape}\); arrays are \(H, W\) or \(H, W, 3\), tensors"):
        read(reading(name))


def test_a_study_names_it_and_its_package_travels(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(f"name: own\ndata: {{name: '{HERE}arrays', size: 32}}\ndefense: {{none: {{}}}}\n")
    study = load_checked(path)
    assert plugins(study, []) == {Package("tests")}
    assert study.space().shared["data/name"] == f"{HERE}arrays"
    with pytest.raises(
        UserError, match=r"^--set data.name=no.such:thing: data/name: data set no.such:thing: No module named 'no'"
    ):
        load_checked(path, ["data/name=no.such:thing"])
    with pytest.raises(UserError, match=r"data/name: 'cifar' is unknown; .*or one of your own as package.module:Name"):
        load_checked(path, ["data/name=cifar"])


MUTANTS = {"is_a_collection": nothing, "repeats_itself": unsteady, "can_be_divided": once_each, "has_pictures": same}


@pytest.mark.parametrize("law", contract.LAWS)
def test_a_law_bites_its_mutant_and_no_sound_data_set(law):
    contract.LAWS[law](contract.Case(arrays))
    with pytest.raises(AssertionError):
        contract.LAWS[law](contract.Case(MUTANTS[law]))
