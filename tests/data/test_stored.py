"""Decoded images are made once a machine, whole, for their owner alone, and work goes on where they cannot be kept."""

import os
import resource
import signal
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor

from harness import cache
from harness.data import Reading, find, load, parts_digests, read
from harness.data.listing import Found, Listing, Undecoded
from harness.data.stored import Wish, stored
from harness.errors import UserError
from harness.records import Progress
from tests.data.test_layouts import images

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image cache of the test's own."""
    monkeypatch.setenv("INVFRONT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("a", "b"):
        images(root / name, 20)
    aged(root)
    return root


def aged(root: Path) -> None:
    """Let files be a day old: those of just now are never taken for unchanged."""
    for path in root.rglob("*.png"):
        os.utime(path, (time.time() - 86400,) * 2)


def reading(root: Path) -> Reading:
    return Reading(name="folder", root=str(root), size=12)


def keys(place: Path) -> set[str]:
    return {path.name for path in (place / "images").iterdir() if path.is_dir()}


def test_images_come_from_the_cache_the_second_time_and_are_the_same(folder: Path, place: Path) -> None:
    told: list[Progress] = []
    first = read(reading(folder), tell=told.append)
    assert told[-1].done == told[-1].total == 40
    assert keys(place) == {first.key}
    before = len(told)
    again = read(reading(folder), tell=told.append)
    assert len(told) == before
    assert again.original.train.x.equal(first.original.train.x)
    assert again.original.train.y.equal(first.original.train.y)
    assert parts_digests(load(reading(folder), CPU)) == parts_digests(load(reading(folder), CPU))


def test_images_are_mapped_and_no_writer_reaches_the_file(folder: Path) -> None:
    x = read(reading(folder)).original.train.x
    x[:] = 0
    assert read(reading(folder)).original.train.x.any()


def test_the_parts_are_views_of_the_map(folder: Path) -> None:
    data = load(reading(folder), CPU)
    storages = {part.x.untyped_storage().data_ptr() for part in data.parts.values()}
    assert len(storages) == 1


def test_the_cache_is_its_owners_alone(folder: Path, place: Path) -> None:
    read(reading(folder))
    for path in (place, place / "images", place / "digests"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    (place / "images").chmod(0o777)
    read(reading(folder))
    assert stat.S_IMODE((place / "images").stat().st_mode) == 0o700


def test_it_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVFRONT_CACHE", "~/pictures")
    assert cache.folder() == Path.home() / "pictures"
    monkeypatch.delenv("INVFRONT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/large")
    assert cache.folder() == Path("/large/invfront")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path.home() / ".cache" / "invfront"


def test_a_changed_file_another_size_and_another_name_are_other_images(folder: Path) -> None:
    first = read(reading(folder)).key
    assert read(Reading(name="folder", root=str(folder), size=16)).key != first
    moved = folder.rename(folder.parent / "elsewhere")
    assert read(reading(moved)).key == first
    (moved / "a" / "0.png").rename(moved / "b" / "new.png")
    assert read(reading(moved)).key != first
    (moved / "b" / "new.png").rename(moved / "a" / "0.png")
    Image.new("RGB", (12, 12)).save(moved / "a" / "0.png")
    assert read(reading(moved)).key != first


def test_a_file_is_digested_again_only_where_its_size_or_time_has_changed(folder: Path) -> None:
    first = read(reading(folder)).key
    path = folder / "a" / "0.png"
    was = path.stat()
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert read(reading(folder)).key == first  # nobody looked
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns + 1))
    with pytest.raises(UserError, match=r"a/0\.png cannot be read as an image"):
        read(reading(folder))


def test_a_file_of_just_now_is_digested_every_time(folder: Path) -> None:
    path = folder / "a" / "0.png"
    Image.new("RGB", (12, 12)).save(path)
    was, first = path.stat(), read(reading(folder)).key
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(UserError):
        read(reading(folder))
    assert first


def test_all_bad_files_are_named_and_nothing_is_kept(folder: Path, place: Path) -> None:
    for name in ("a/3.png", "b/7.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    with pytest.raises(
        UserError, match=r"2 files cannot be read as images: .*3\.png: .*7\.png: .*; mend or remove them"
    ):
        read(reading(folder))
    assert keys(place) == set()


def counted(folder: Path, decode: Callable[[int], Tensor]) -> Wish:
    """The images of a folder, decoded by a function."""
    found = find(reading(folder))
    y = torch.arange(40) % 2
    listing = Listing(Undecoded(y, decode, str), None, ("a", "b"))
    return Wish(
        "folder", Found(root=folder, files=found.files, left_out=Counter(), open=lambda size: listing), 12, False
    )


def test_of_many_at_once_one_decodes(folder: Path) -> None:
    decoded: list[int] = []

    def decode(index: int) -> Tensor:
        decoded.append(index)
        time.sleep(0.002)
        return torch.full((3, 12, 12), index, dtype=torch.uint8)

    threads = [threading.Thread(target=stored, args=(counted(folder, decode),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(decoded) == list(range(40))


def test_what_a_killed_builder_left_is_made_anew(folder: Path, place: Path) -> None:
    key = read(reading(folder)).key
    (place / "images" / str(key)).rename(place / "images" / f"{key}.building")
    assert read(reading(folder)).key == key
    assert keys(place) == {key}
    about = place / "images" / str(key) / "train.npy"
    about.write_bytes(about.read_bytes()[:100])
    assert read(reading(folder)).original.train.x.any()


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk on which no file can be larger than 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_the_images_are_decoded_all_the_same(
    folder: Path, place: Path, request: pytest.FixtureRequest
) -> None:
    whole = read(reading(folder)).original.train.x.clone()
    cache.clear()
    request.getfixturevalue("small_files")
    found = read(reading(folder))
    assert found.original.train.x.equal(whole)
    assert found.key is None
    assert found.fault is not None
    assert "File too large; set INVFRONT_CACHE to a folder of your own, on a disk with room" in found.fault
    assert keys(place) == set()


def test_a_cache_that_cannot_be_made_is_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INVFRONT_CACHE", str(tmp_path / "file" / "cache"))
    found = read(reading(folder))
    assert found.fault == (
        f"image cache {tmp_path / 'file' / 'cache'}: Not a directory; set INVFRONT_CACHE to a folder of your own, on a "
        "disk with room; until then every job decodes the images for itself"
    )
    assert len(found.original.train.y) == 40


def test_the_cache_is_counted_and_cleared(folder: Path, place: Path) -> None:
    assert cache.held() == (place, 0, 0)
    mapped = read(reading(folder)).original.train.x
    assert cache.held().data_sets == 1
    assert cache.held().total_bytes > 40 * 3 * 12 * 12
    assert cache.clear().data_sets == 1
    assert cache.held() == (place, 0, 0)
    assert mapped.any()


def test_of_equal_pictures_one_is_kept_the_held_out_one_if_there_is_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images(tmp_path / "set" / "train" / name, 20)
        images(tmp_path / "set" / "test" / name, 5)
    copied = Image.open(tmp_path / "set" / "test" / "a" / "0.png")
    copied.save(tmp_path / "set" / "train" / "a" / "copy.bmp")
    Image.open(tmp_path / "set" / "train" / "b" / "1.png").save(tmp_path / "set" / "train" / "b" / "copy.tif")
    found = read(reading(tmp_path / "set"))
    assert (found.listed, found.copies) == ((42, 10), 2)
    test = found.original.test
    assert test is not None
    assert (len(found.original.train.y), len(test.y)) == (40, 10)
    held_out = {image.tobytes() for image in test.x.numpy()}
    assert numpy.array(copied).transpose(2, 0, 1).tobytes() in held_out
    assert not held_out & {image.tobytes() for image in found.original.train.x.numpy()}
