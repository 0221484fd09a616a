"""Images: who may see which, where they are read from, and what augmentation does to them."""

import hashlib
import os
import pickle
import zlib
from io import BytesIO
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import rotate

from harness.data import (
    DATASETS,
    Data,
    Reading,
    augment,
    check,
    check_train_images,
    epoch_order,
    load,
    parts_digests,
    to_float,
)
from harness.data.augment import moved
from harness.data.parts import SHARES, Labelled, Original, Protocol, dealt, digest, divide
from harness.errors import UserError

# torchvision's decoder warns of its successor once an image
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")

CPU = torch.device("cpu")
STRICT = ("train", "validation", "attacker", "attacker_validation", "test")


def noise(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Return random images, uint8, ``(count, 3, size, size)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def fingerprints(x: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in x}


def digits(**settings: object) -> Data:
    return load(Reading(name="digits", **settings), CPU)  # type: ignore[arg-type]


# parts


def test_strict_parts_of_digits_have_the_sizes_of_the_design() -> None:
    assert {name: len(part.y) for name, part in digits().parts.items()} == dict(
        zip(STRICT, (900, 200, 320, 80, 297), strict=True)
    )


def test_strict_parts_of_cifar_have_the_sizes_of_the_design_and_equal_classes() -> None:
    train = Labelled(torch.zeros(50_000, 3, 1, 1, dtype=torch.uint8), torch.arange(50_000) % 10)
    test = Labelled(torch.zeros(10_000, 3, 1, 1, dtype=torch.uint8), torch.arange(10_000) % 10)
    parts = divide(Original(train, test, ()), SHARES, protocol="strict", device=CPU).parts
    sizes = (38_000, 2_000, 9_000, 1_000, 10_000)
    for name, size in zip(STRICT, sizes, strict=True):
        assert torch.bincount(parts[name].y).tolist() == [size // 10] * 10


def test_strict_parts_share_no_image_and_lose_none() -> None:
    seen = [fingerprints(part.x) for part in digits().parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 1797


@pytest.mark.parametrize("name", STRICT)
def test_every_strict_part_holds_each_class_in_its_share(name: str) -> None:
    data = digits()
    everything = torch.cat([part.y for part in data.parts.values()]).bincount() / 1797
    y = data.parts[name].y
    assert ((y.bincount(minlength=10) - everything * len(y)).abs() <= 2).all()


def test_every_run_of_a_dealt_order_holds_each_class_in_its_share() -> None:
    y = torch.cat([torch.full((count,), label) for label, count in enumerate((700, 200, 90, 10))])
    order = dealt(y, 3)
    assert order.sort().values.equal(torch.arange(1000))
    for start, stop in ((0, 50), (0, 333), (500, 700), (990, 1000)):
        counts = y[order[start:stop]].bincount(minlength=4)
        assert ((counts - torch.tensor([0.7, 0.2, 0.09, 0.01]) * (stop - start)).abs() <= 2).all()


def test_the_split_is_the_same_on_every_machine() -> None:
    assert dealt(torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2]), 0).tolist() == [0, 5, 9, 2, 4, 8, 1, 6, 7, 3]


def test_the_split_follows_its_seed_only() -> None:
    before = parts_digests(digits())
    torch.manual_seed(99)
    assert parts_digests(digits()) == before
    y = torch.arange(100) % 5
    assert not dealt(y, 0).equal(dealt(y, 1))


def test_a_digest_tells_images_labels_order_and_shape_apart() -> None:
    x, y = noise(6, 8), torch.arange(6)
    changed = x.clone()
    changed[0, 0, 0, 0] ^= 1
    others = ((changed, y), (x, y.flip(0)), (x.flip(0), y), (x.view(6, 3, 4, 16), y))
    seen = [digest(Labelled(*images)) for images in ((x, y), *others)]
    assert len(set(seen)) == 5
    assert digest(Labelled(x.to(memory_format=torch.channels_last), y)) == seen[0]


def test_train_images_takes_the_first_of_train_with_every_class_in_its_share() -> None:
    whole, some = digits(), digits(train_images=200)
    assert some.parts["train"].x.equal(whole.parts["train"].x[:200])
    assert some.parts["train"].y.bincount(minlength=10).sub(20).abs().max() <= 2
    assert some.parts["attacker"].digest == whole.parts["attacker"].digest
    assert some.parts["train"].digest != whole.parts["train"].digest


@pytest.mark.parametrize("count", [0, 901])
def test_more_train_images_than_there_are_is_refused_with_the_numbers(count: int) -> None:
    with pytest.raises(UserError, match=rf"train/images: {count}: .*900 training images"):
        digits(train_images=count)


@pytest.mark.parametrize(
    ("name", "protocol", "available"),
    [("digits", "strict", 900), ("digits", "cem", 1500), ("cifar10", "strict", 38_000), ("cifar100", "cem", 50_000)],
)
def test_more_train_images_than_a_known_data_set_has_are_refused_before_it_is_read(
    name: str, protocol: Protocol, available: int
) -> None:
    check_train_images(name, available, protocol)
    with pytest.raises(UserError, match=rf"train/images: {available + 1}: protocol {protocol} has {available} train"):
        check_train_images(name, available + 1, protocol)


def test_too_few_images_to_divide_are_refused() -> None:
    few = Labelled(noise(3, 8), torch.tensor([0, 1, 0]))
    with pytest.raises(UserError, match="3 training images are too few"):
        divide(Original(few, few, ("a", "b")), SHARES, protocol="strict", device=CPU)


def test_strict_attackers_are_scored_on_validation_and_never_see_test() -> None:
    data = digits()
    (split,) = data.attack_splits
    assert (split.part, split.scored.name, split.fit.name) == ("validation", "validation", "attacker")
    assert split.selection.name == "attacker_validation"
    assert data.scored is data.parts["validation"]


def test_the_published_protocol_attacks_by_train_and_by_nine_tenths_of_test_and_stops_by_none_that_it_fits_on() -> None:
    train = Labelled(noise(200, 8), torch.arange(200) % 10)
    test = Labelled(noise(100, 8, seed=1), torch.arange(100) % 10)
    parts, (by_train, by_infer) = divide(Original(train, test, ()), SHARES, protocol="cem", device=CPU)
    assert fingerprints(parts["train"].x) == fingerprints(train.x)
    assert parts["test"].x.equal(test.x)
    assert (by_train.part, by_infer.part) == ("train", "infer")
    assert by_train.scored is parts["test"]
    assert by_infer.scored.x.equal(test.x[90:])
    for split, given in ((by_train, parts["train"].x), (by_infer, test.x[:90])):
        assert len(split.selection.y) == len(given) // 10
        assert torch.cat([split.fit.x, split.selection.x]).equal(given)
        assert not fingerprints(split.fit.x) & fingerprints(split.selection.x)
        assert not fingerprints(torch.cat([split.fit.x, split.selection.x])) & fingerprints(split.scored.x)


def test_the_published_protocol_scores_accuracy_on_test() -> None:
    data = digits(protocol="cem", train_images=300)
    assert set(data.parts) == {"train", "test"}
    assert data.scored is data.parts["test"]
    assert [len(part.y) for part in (data.attack_splits[0].fit, data.attack_splits[0].selection)] == [270, 30]


# sources


def test_digits_are_grey_enlarged_and_never_mirrored() -> None:
    data = digits()
    x = torch.cat([part.x for part in data.parts.values()])
    assert x.shape == (1797, *data.image_shape) == (1797, 3, 32, 32)
    assert x[:, 0].equal(x[:, 1])
    assert x[:, 0].equal(x[:, 2])
    assert x.max() == 255
    assert not data.flips
    images = to_float(x)
    assert images.mean().item() == pytest.approx(data.mean[0], abs=1e-3)
    assert images.std().item() == pytest.approx(data.std[0], abs=1e-3)


def test_an_unknown_data_set_is_refused_with_the_names() -> None:
    with pytest.raises(UserError, match="'mnist' is not a data set; take one of digits, cifar10, cifar100"):
        load(Reading(name="mnist"), CPU)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_a_missing_root_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data/root: .*folder"):
        check(name, None)
    with pytest.raises(UserError, match=r"data/root: there is no folder .*absent"):
        check(name, tmp_path / "absent")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "folder"])
def test_an_empty_root_is_refused_with_what_is_expected(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.*parquet|<class>"):
        check(name, tmp_path)


def test_a_size_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(UserError, match="data/size: 64: images of digits have 32 pixels"):
        check("digits", None, size=64)
    with pytest.raises(UserError, match="data/size: 0"):
        check("folder", None, size=0)
    with pytest.raises(UserError, match="data/size: 10: SSIM needs at least 11 pixels"):
        check("folder", None, size=10)


def png(image: Tensor) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(file: Path, x: Tensor, columns: dict[str, list[int]]) -> None:
    encoded = [{"bytes": png(image), "path": None} for image in x]
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"img": pyarrow.array(encoded, image), **columns}), file)


@pytest.mark.parametrize(("name", "column"), [("cifar10", "label"), ("cifar100", "label"), ("cifar100", "fine_label")])
def test_parquet_files_give_their_images_and_labels(name: str, column: str, tmp_path: Path) -> None:
    x, y = noise(60), [index % 10 for index in range(60)]
    write_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", x[:20], {column: y[:20]})
    write_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", x[20:40], {column: y[20:40]})
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", x[40:], {column: y[40:]})
    data = load(Reading(name=name, root=str(tmp_path), protocol="cem"), CPU)
    assert data.parts["test"].x.equal(x[40:])
    assert data.parts["test"].y.tolist() == y[40:]
    assert fingerprints(data.parts["train"].x) == fingerprints(x[:40])
    assert data.num_classes == len(data.class_names) == int(name.removeprefix("cifar"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_parquet_files_that_are_not_cifar_are_refused_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test.parquet", noise(4), {"label": [0, 1, 2, 3]})
    with pytest.raises(UserError, match=r"no train\*\.parquet"):
        load(Reading(name="cifar10", root=str(tmp_path)), CPU)
    write_parquet(tmp_path / "train.parquet", noise(4), {"coarse": [0, 1, 2, 3]})
    with pytest.raises(UserError, match=r"train\.parquet has columns"):
        load(Reading(name="cifar10", root=str(tmp_path)), CPU)
    write_parquet(tmp_path / "train.parquet", noise(4), {"label": [0, 1, 2, 10]})
    with pytest.raises(UserError, match=r"train\.parquet: label 10; cifar10 has labels 0 to 9"):
        load(Reading(name="cifar10", root=str(tmp_path)), CPU)
    write_parquet(tmp_path / "train.parquet", noise(4, size=1), {"label": [0, 1, 2, 3]})
    with pytest.raises(UserError, match="has 1x1 pixels, not 32x32"):
        load(Reading(name="cifar10", root=str(tmp_path)), CPU)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match=r"train\.parquet: "):
        load(Reading(name="cifar10", root=str(tmp_path)), CPU)


def write_batch(file: Path, x: Tensor, labels: list[int]) -> str:
    """Write a batch as CIFAR's publisher does; return its MD5."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(pickle.dumps({"data": x.reshape(len(x), -1).numpy(), "labels": labels}))
    return hashlib.md5(file.read_bytes()).hexdigest()


def test_torchvision_folder_gives_its_images_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = noise(60), [index % 10 for index in range(60)]
    folder = tmp_path / "cifar-10-batches-py"
    train, test = (
        write_batch(folder / "data_batch_1", x[:40], y[:40]),
        write_batch(folder / "test_batch", x[40:], y[40:]),
    )
    meta = pickle.dumps({"label_names": list("abcdefghij")})
    (folder / "batches.meta").write_bytes(meta)
    # the real reader, told the checksums of this test's files instead of those of CIFAR's 170 MB
    reader = torchvision.datasets.CIFAR10
    monkeypatch.setattr(reader, "train_list", [["data_batch_1", train]])
    monkeypatch.setattr(reader, "test_list", [["test_batch", test]])
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": hashlib.md5(meta).hexdigest()})
    data = load(Reading(name="cifar10", root=str(tmp_path), protocol="cem"), CPU)
    assert data.parts["test"].x.equal(x[40:])
    assert data.parts["test"].y.tolist() == y[40:]
    assert fingerprints(data.parts["train"].x) == fingerprints(x[:40])


@pytest.mark.parametrize(("name", "folder"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_a_torchvision_folder_with_wrong_checksums_is_never_unpickled(name: str, folder: str, tmp_path: Path) -> None:
    write_batch(tmp_path / folder / "data_batch_1", noise(4), [0, 1, 2, 3])
    with pytest.raises(UserError, match=f"{folder}: .*not found or corrupted"):
        load(Reading(name=name, root=str(tmp_path)), CPU)


def write_folder(root: Path, counts: dict[str, int], size: tuple[int, int] = (20, 12)) -> None:
    """Write noise as PNG, ``counts`` images by class folder; ``size`` is width and height."""
    for label, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            seed = (zlib.crc32(root.name.encode()), label, index)
            pixels = numpy.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), numpy.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")


def test_class_folders_without_a_test_folder_set_some_aside(tmp_path: Path) -> None:
    write_folder(tmp_path, {"b": 60, "a": 40})
    data = load(Reading(name="folder", root=str(tmp_path), size=12), CPU)
    assert data.class_names == ("a", "b")
    assert data.image_shape == (3, 12, 12)
    assert [len(data.parts[name].y) for name in STRICT] == [65, 3, 15, 2, 15]
    assert torch.cat([part.y for part in data.parts.values()]).bincount().tolist() == [40, 60]
    assert data.parts["test"].y.bincount().tolist() == [6, 9]


@pytest.mark.parametrize(("name", "size"), [("tinyimagenet", 64), ("facescrub", 48)])
@pytest.mark.parametrize("held_out", ["val", "test"])
def test_a_held_out_folder_is_the_test_part(name: str, size: int, held_out: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 30, "b": 30})
    write_folder(tmp_path / held_out, {"a": 5, "b": 7})
    data = load(Reading(name=name, root=str(tmp_path)), CPU)
    assert data.image_shape == (3, size, size)
    assert data.parts["test"].y.bincount().tolist() == [5, 7]
    assert sum(len(data.parts[part].y) for part in STRICT[:4]) == 60


def test_tiny_imagenets_own_archive_is_read_as_it_is(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"n1/images": 20, "n2/images": 20})
    write_folder(tmp_path / "test", {"images": 3})
    write_folder(tmp_path / "val", {"images": 3})
    lines = ["0.png\tn2\t0\t0\t9\t9", "1.png\tn1\t0\t0\t9\t9", "2.png\tn2\t0\t0\t9\t9"]
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    data = load(Reading(name="tinyimagenet", root=str(tmp_path)), CPU)
    assert data.class_names == ("n1", "n2")
    assert data.parts["test"].y.bincount().tolist() == [1, 2]


def test_an_image_is_cut_to_its_centre_and_keeps_its_label(tmp_path: Path) -> None:
    for name, channel in (("red", 0), ("blue", 2)):
        (tmp_path / name).mkdir()
        for index in range(10):
            wide = numpy.zeros((16, 32, 3), numpy.uint8)
            wide[:, :8, 1] = wide[:, 24:, 1] = 255
            wide[:, 8:24, channel] = 255 - index
            Image.fromarray(wide).save(tmp_path / name / f"{index}.png")
    data = load(Reading(name="folder", root=str(tmp_path), size=16), CPU)
    for part in data.parts.values():
        shade = part.x.amax((1, 2, 3))
        expected = torch.tensor([[0, 0, 1], [1, 0, 0]], dtype=torch.uint8)[part.y] * shade.view(-1, 1)
        assert shade.min() > 245
        assert part.x.equal(expected.view(-1, 3, 1, 1).expand(-1, -1, 16, 16))


def test_the_order_of_class_folders_is_the_same_whenever_they_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 15, "b": 15})
    first, second = (load(Reading(name="folder", root=str(tmp_path), size=12), CPU) for _ in range(2))
    assert parts_digests(first) == parts_digests(second)


def test_class_folders_that_cannot_be_used_are_refused_by_path(tmp_path: Path) -> None:
    write_folder(tmp_path / "one", {"a": 5})
    with pytest.raises(UserError, match="one holds images of 1 classes"):
        check("folder", tmp_path / "one")
    with pytest.raises(UserError, match="not downloaded"):
        check("folder", tmp_path, download=True)
    write_folder(tmp_path / "two" / "train", {"a": 5, "b": 5})
    write_folder(tmp_path / "two" / "test", {"a": 5, "c": 5})
    with pytest.raises(UserError, match="test has the class 'c'"):
        check("folder", tmp_path / "two")
    write_folder(tmp_path / "torn", {"a": 10, "b": 10})
    (tmp_path / "torn" / "a" / "3.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"3\.png cannot be read as an image"):
        load(Reading(name="folder", root=str(tmp_path / "torn")), CPU)


def test_real_cifar10_has_its_known_means_and_classes() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10"
    root = Path(os.environ.get("INVFRONT_CIFAR10", beside))
    if not root.is_dir():
        pytest.skip(f"no CIFAR-10 at {root}; set INVFRONT_CIFAR10 to its folder")
    data = load(Reading(name="cifar10", root=str(root)), CPU)
    assert [len(data.parts[name].y) for name in STRICT] == [38_000, 2_000, 9_000, 1_000, 10_000]
    official = [data.parts[name] for name in STRICT[:4]]
    levels = sum(part.x.sum((0, 2, 3), dtype=torch.int64) for part in official)
    assert (levels / (50_000 * 1024 * 255)).tolist() == pytest.approx([0.4913, 0.4821, 0.4465], abs=1.5e-3)
    assert torch.cat([part.y for part in official]).bincount().tolist() == [5_000] * 10


# augmentation


def test_augmentation_without_padding_flip_and_rotation_changes_nothing() -> None:
    x = noise(16)
    assert augment(x, crop_padding=0, flip=False).equal(to_float(x))


def test_images_become_numbers_in_the_unit_interval_channels_last() -> None:
    x = noise(8)
    assert to_float(x).equal(x.float() / 255)
    for images in (to_float(x), augment(x, flip=True, rotation=15)):
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.min() >= 0
        assert images.max() <= 1


def crops(image: Tensor, padding: int) -> dict[bytes, tuple[int, int]]:
    """Return every crop of a float image ``(3, height, width)`` padded with zeros, and its offset, by its bytes."""
    height, width = image.shape[1:]
    padded = torch.nn.functional.pad(image, [padding] * 4)
    return {
        padded[:, top : top + height, left : left + width].contiguous().numpy().tobytes(): (top, left)
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    }


def test_every_image_gets_a_true_crop_of_its_own() -> None:
    torch.manual_seed(0)
    x = noise(1, size=9).expand(600, -1, -1, -1)
    allowed = crops(x[0].float() / 255, padding=2)
    seen = [allowed[image.contiguous().numpy().tobytes()] for image in augment(x, crop_padding=2, flip=False)]
    assert set(seen) == set(allowed.values())


def test_an_image_is_mirrored_half_of_the_time() -> None:
    torch.manual_seed(0)
    x = noise(1, size=9).expand(1000, -1, -1, -1)
    images, original = augment(x, crop_padding=0, flip=True), to_float(x)
    same = (images == original).flatten(1).all(1)
    mirrored = (images == original.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 400 < int(mirrored.sum()) < 600


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_rotation_by_quarter_turns_is_exact(quarter: int) -> None:
    x = noise(5, size=8)
    turned = moved(x, torch.zeros(2, 5, dtype=torch.int64), None, torch.full((5,), 90.0 * quarter))
    assert turned.equal(torch.rot90(to_float(x), quarter, (2, 3)))


def test_a_rotation_agrees_with_torchvision() -> None:
    x, degrees = noise(4), torch.tensor([-15.0, -3.3, 7.7, 14.1])
    ours = moved(x, torch.zeros(2, 4, dtype=torch.int64), None, degrees)
    theirs = torch.stack([rotate(image, angle) for image, angle in zip(x, degrees.tolist(), strict=True)])
    # a coordinate that lies half-way between two pixels may round either way
    assert (ours != to_float(theirs)).float().mean() < 0.01


def test_a_mirrored_crop_is_the_mirror_of_the_crop() -> None:
    x, offsets = noise(3), torch.tensor([[-4, 0, 3], [2, -1, 4]])
    mirrored = moved(x, offsets, torch.tensor([True, True, True]))
    assert mirrored.equal(moved(x, offsets).flip(3))


def test_rotation_draws_an_angle_for_every_image() -> None:
    torch.manual_seed(0)
    x = noise(1).expand(50, -1, -1, -1)
    images = augment(x, crop_padding=0, flip=False, rotation=15)
    # angles too close to each other read the same pixels
    assert len(fingerprints(images.contiguous())) > 25


def test_augmentation_repeats_with_the_global_seed() -> None:
    first, second = (torch.manual_seed(seed) and augment(noise(8), flip=True, rotation=15) for seed in (5, 5))
    assert first.equal(second)


def test_an_epochs_order_follows_its_seed_and_leaves_the_global_rng_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    order = epoch_order(1000, 2**62 + 1)
    assert torch.get_rng_state().equal(before)
    assert order.sort().values.equal(torch.arange(1000))
    assert order.equal(epoch_order(1000, 2**62 + 1))
    assert not order.equal(epoch_order(1000, 2**62 + 2))


def test_a_control_part_is_taken_out_of_train_and_shares_no_image_with_anything():
    whole, held = digits().parts, digits(control=True).parts
    assert [*held] == [*whole, "control"]
    assert (len(held["train"].y), len(held["control"].y)) == (675, 225)
    both = torch.cat([held["train"].x, held["control"].x])
    assert torch.equal(both, whole["train"].x)
    assert {name: held[name].digest for name in whole if name != "train"} == {
        name: whole[name].digest for name in whole if name != "train"
    }
    counts = torch.bincount(held["control"].y, minlength=10)
    due = torch.bincount(whole["train"].y, minlength=10) / 4
    assert (counts - due).abs().max() <= 2


def test_of_many_training_images_no_more_than_two_thousand_are_set_aside():
    y = torch.arange(20_000) % 10
    original = Original(Labelled(torch.zeros(20_000, 3, 1, 1, dtype=torch.uint8), y), None, ())
    parts = divide(original, SHARES, protocol="strict", device=CPU, control=True).parts
    assert len(parts["control"].y) == 2000
