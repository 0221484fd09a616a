"""Images are made ready before anything starts: what a reader must know of them is told, what cannot be is refused."""

import time
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, ImageEnhance

from harness.data import Reading
from harness.data.copies import Near, near_copies
from harness.data.parts import SHARES, Labelled, Original, divide
from harness.data.ready import make_ready
from harness.errors import UserError
from tests.data.test_data import write_parquet
from tests.data.test_layouts import images

CPU = torch.device("cpu")


def reading(root: Path, name: str = "folder") -> Reading:
    return Reading(name=name, root=str(root), size=None if name == "cifar10" else 12)


def smooth(seed: int) -> Image.Image:
    """A picture of a few large patches."""
    patches = numpy.random.default_rng(seed).integers(0, 256, (3, 3, 3), numpy.uint8)
    return Image.fromarray(patches).resize((48, 48), Image.Resampling.BICUBIC)


def test_what_is_left_out_is_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images(tmp_path / name, 20)
    Image.open(tmp_path / "a" / "0.png").save(tmp_path / "a" / "copy.bmp")
    (tmp_path / "a" / ".0.png").write_text("")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere")
    ready = make_ready(reading(tmp_path))
    assert ready.told == ("left out: 1 hidden file, 1 unreadable, 1 exact copy of other images",)
    assert ready.marks == ()
    assert sum(ready.parts.values()) == 40


def test_digits_need_no_word() -> None:
    ready = make_ready(Reading(name="digits"))
    assert (ready.told, ready.marks, ready.parts["train"]) == ((), (), 900)


def test_copies_across_a_split_are_gone_before_it_is_made(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images(tmp_path / name, 30)
        (tmp_path / name / "copies").mkdir()
        for path in sorted((tmp_path / name).glob("*.png")):
            Image.open(path).save(tmp_path / name / "copies" / f"{path.stem}.tif")
    ready = make_ready(reading(tmp_path))
    assert ready.told == ("left out: 60 exact copies of other images",)
    assert sum(ready.parts.values()) == 60


def test_a_class_with_fewer_images_than_parts_is_refused_by_name(tmp_path: Path) -> None:
    images(tmp_path / "a", 20)
    images(tmp_path / "b", 4)
    said = r"too few training images of b 4; protocol strict divides each class and needs at least 5 of it"
    with pytest.raises(UserError, match=said):
        make_ready(reading(tmp_path))
    images(tmp_path / "b", 5)
    make_ready(reading(tmp_path))
    for path in (tmp_path / "b").iterdir():
        (tmp_path / "a" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"of b [0-4]; "):  # all its images are also a's: one of each stays
        make_ready(reading(tmp_path))


def test_what_a_data_set_promises_is_compared_with_what_is_there(tmp_path: Path) -> None:
    x = torch.randint(0, 256, (90, 3, 32, 32), dtype=torch.uint8)
    write_parquet(tmp_path / "train.parquet", x[:80], {"label": [index % 10 for index in range(80)]})
    write_parquet(tmp_path / "test.parquet", x[80:], {"label": list(range(10))})
    ready = make_ready(reading(tmp_path, "cifar10"))
    wanted = "80 training images in place of 50,000, 10 test images in place of 10,000"
    assert ready.marks == (f"cifar10 is not all that its publisher gives: {wanted}",)
    assert ready.told == ready.marks
    images(tmp_path / "faces" / "actors" / "faces" / "Al", 8)
    images(tmp_path / "faces" / "actresses" / "faces" / "Cleo", 8)
    (mark,) = make_ready(reading(tmp_path / "faces", "facescrub")).marks
    assert mark == "facescrub is not all that its publisher gives: 2 classes in place of 530"
    write_parquet(tmp_path / "train.parquet", x[:72], {"label": [index % 9 for index in range(72)]})
    with pytest.raises(UserError, match="too few training images of truck 0"):
        make_ready(reading(tmp_path, "cifar10"))


def near_of(train: list[Image.Image], test: list[Image.Image]) -> Near:
    """Count the near-copies of held-out pictures."""
    parts = [
        torch.stack([torch.from_numpy(numpy.array(image.resize((48, 48)))).permute(2, 0, 1) for image in part])
        for part in (train, test)
    ]
    labelled = [Labelled(x, torch.arange(len(x)) % 2) for x in parts]
    return near_copies(divide(Original(labelled[0], labelled[1], ("a", "b")), SHARES, protocol="cem", device=CPU))


def test_near_copies_are_pictures_saved_again_scaled_or_brightened() -> None:
    train = [smooth(seed) for seed in range(40)]
    changed = [
        train[0],
        train[1].quantize(64).convert("RGB"),
        train[2].resize((24, 24)),
        ImageEnhance.Brightness(train[3]).enhance(1.02),
    ]
    others = [smooth(seed) for seed in range(100, 116)]
    first, infer = 20, 2  # the test images; of these, what the second attacker is scored on
    assert near_of(train, [*others, *changed]) == Near(first + infer, exact=1, near=len(changed))
    assert near_of(train, others).near == 0


def test_a_mirrored_or_other_picture_is_no_near_copy() -> None:
    train = [smooth(seed) for seed in range(20)]
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in train]
    assert near_of(train, mirrored).near == 0


def test_near_copies_stand_on_the_page_and_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVFRONT_CACHE", str(tmp_path / "cache"))
    for label, name in enumerate(("a", "b")):
        for part, count in (("train", 20), ("test", 5)):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            for index in range(count):
                smooth(100 * label + index).save(tmp_path / "set" / part / name / f"{index}.png")
    for path in (tmp_path / "set" / "test").rglob("*.png"):
        brighter = ImageEnhance.Brightness(Image.open(path)).enhance(1.02)
        brighter.save(path)
    (mark,) = make_ready(reading(tmp_path / "set")).marks
    # 10 of test; of validation, whose images are no other's copies, none
    assert mark.startswith("folder has 10 scored images of 12 that are near-copies of images which networks")
    (counted,) = (tmp_path / "cache").rglob("near-strict-*.json")
    counted.write_text("[12, 1, 7]")
    assert "has 7 scored images of 12" in make_ready(reading(tmp_path / "set")).marks[0]
    assert "1 of them to the pixel" in make_ready(reading(tmp_path / "set")).marks[0]


@pytest.mark.slow
def test_near_copies_of_60_000_images_take_less_than_15_seconds() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (60_000, 3, 32, 32), dtype=torch.uint8, generator=generator)
    y = torch.arange(60_000) % 10
    division = divide(
        Original(Labelled(x[:50_000], y[:50_000]), Labelled(x[50_000:], y[50_000:]), ()), SHARES, protocol="strict",
        device=CPU,
    )  # fmt: skip
    begun = time.monotonic()
    assert near_copies(division) == Near(12_000, 0, 0)
    assert time.monotonic() - begun < 15
