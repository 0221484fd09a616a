"""Images, divided by protocol, as uint8 tensors on the device that trains on them."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from harness import plugins
from harness.data import digits, folders
from harness.data.augment import augment, to_float
from harness.data.cifar import CIFAR10, CIFAR100
from harness.data.listing import Found
from harness.data.own import Collection, Images, source_of_ones_own
from harness.data.parts import (
    AttackSplit,
    Part,
    Protocol,
    Published,
    Shares,
    divide,
    num_training,
    refuse_too_many,
)
from harness.data.source import PHOTOGRAPHS, Colour, Promise, Source
from harness.data.stored import Stored, Wish, stored
from harness.errors import UserError
from harness.records import Tell

__all__ = [
    "DATASETS",
    "SMALLEST",
    "AttackSplit",
    "Collection",
    "Data",
    "Found",
    "Images",
    "Part",
    "Promise",
    "Reading",
    "Source",
    "augment",
    "check",
    "check_train_images",
    "epoch_order",
    "find",
    "load",
    "parts_digests",
    "read",
    "source_of",
    "to_float",
]

SMALLEST = 11
"""Least height and width in pixels: the window of SSIM."""

DATASETS: dict[str, Source] = {
    "digits": Source(
        description="1,797 handwritten digits that ship with scikit-learn; needs no root",
        size=digits.SIZE,
        mean=(0.3053, 0.3053, 0.3053),
        std=(0.3236, 0.3236, 0.3236),
        flips=False,
        shares=Shares(validation=200 / 1500, attacker=320 / 1500, attacker_validation=80 / 1500, test=297 / 1797),
        published=Published(1797, None),
        check=digits.check,
        find=digits.find,
    ),
    "cifar10": Source(
        description="50,000 + 10,000 photographs of 10 kinds of things; torchvision's folder or parquet files",
        size=32,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.247, 0.243, 0.261),
        published=Published(50_000, 10_000),
        promise=Promise(10, 50_000, 10_000),
        check=CIFAR10.check,
        find=CIFAR10.find,
    ),
    "cifar100": Source(
        description="50,000 + 10,000 photographs of 100 kinds of things; torchvision's folder or parquet files",
        size=32,
        mean=(0.50708, 0.48655, 0.44092),
        std=(0.26733, 0.25644, 0.27615),
        published=Published(50_000, 10_000),
        promise=Promise(100, 50_000, 10_000),
        check=CIFAR100.check,
        find=CIFAR100.find,
    ),
    "tinyimagenet": Source(
        description="Tiny ImageNet, 200 classes, as class folders",
        size=64,
        resizable=True,
        mean=(0.5141, 0.5775, 0.3985),
        std=(0.2927, 0.2570, 0.1434),
        promise=Promise(200, 100_000, 10_000),
        check=folders.check,
        find=folders.find,
    ),
    "facescrub": Source(
        description="FaceScrub, 530 people, as class folders",
        size=48,
        resizable=True,
        mean=(0.5708, 0.5905, 0.4272),
        std=(0.2058, 0.2275, 0.2098),
        promise=Promise(530, None, None),
        check=folders.check,
        find=folders.find,
    ),
    "folder": Source(
        description="your own class folders of images; data/size sets their pixels",
        size=64,
        resizable=True,
        mean=PHOTOGRAPHS[0],
        std=PHOTOGRAPHS[1],
        check=folders.check,
        find=folders.find,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read of a data set, and from where."""

    name: str
    """A key of ``DATASETS``, or a data set of one's own, ``package.module:function``."""
    root: str | None = None
    """The data set's folder; None for ``digits``."""
    protocol: Protocol = "strict"
    """``strict``, or ``cem`` for comparison with published tables."""
    train_images: int | None = None
    """The first so many images of the training part, >= 1; None for all of them."""
    control: bool = False
    """Whether the last of these are set aside as ``control``."""
    download: bool = False
    """Whether images that are not there may be fetched; CIFAR only."""
    size: int | None = None
    """Height and width in pixels, for class folders; None for the source's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """A data set on a device, divided by a protocol."""

    name: str
    num_classes: int
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    """``(3, height, width)``."""
    mean: Colour
    std: Colour
    flips: bool
    protocol: Protocol
    parts: dict[str, Part]
    """``train, validation, attacker, attacker_validation, test`` under ``strict``, with ``control`` where a training is
    held to an accuracy; ``train, test`` under ``cem``."""
    attack_splits: tuple[AttackSplit, ...]
    """The first one gives the objectives."""

    def split(self, part: str) -> AttackSplit:
        """Return how the images are divided around a scored part; ``test``, under ``strict``, is scored by whoever
        confirms what a search has chosen, with the attacker's images as they are.

        Raises:
            ValueError: nothing is scored on such a part.
        """
        known = {split.part: split for split in self.attack_splits}
        if self.protocol == "strict":
            known["test"] = replace(self.attack_splits[0], part="test", scored=self.parts["test"])
        if part not in known:
            raise ValueError(f"part: {self.name} has attacks scored on {sorted(known)}, not on {part!r}")
        return known[part]

    @property
    def scored(self) -> Part:
        """The part that accuracy is measured on."""
        return self.parts["validation" if self.protocol == "strict" else "test"]


def check(name: str, root: str | Path | None, *, download: bool = False, size: int | None = None) -> Source:
    """Return the source of a data set that ``load`` could read, as far as can be told without decoding an image.

    Raises:
        UserError: the name is unknown, the root does not hold what is expected, or the size cannot be had.
    """
    source = _source(name, size)
    source.check(None if root is None else Path(root), download)
    return source


def source_of(name: str) -> Source:
    """Return what is known of a data set; nothing of it is read.

    Raises:
        UserError: the name is unknown, or its module cannot be imported.
    """
    if name not in DATASETS and plugins.is_plugin(name, plugins.DATA):
        return source_of_ones_own(name, DATASETS)
    if name not in DATASETS:
        raise UserError(f"data/name: {name!r} is not a data set; take one of {', '.join(DATASETS)}")
    return DATASETS[name]


def _source(name: str, size: int | None) -> Source:
    source = source_of(name)
    if size is not None and size < SMALLEST:
        raise UserError(f"data/size: {size}: SSIM needs at least {SMALLEST} pixels")
    if size not in (None, source.size) and not source.resizable:
        raise UserError(f"data/size: {size}: images of {name} have {source.size} pixels; leave data/size out")
    return source


def check_train_images(name: str, count: int, protocol: Protocol) -> None:
    """Refuse more training images than a data set has under a protocol, as far as is known without reading it.

    Raises:
        UserError: names both numbers.
    """
    source = source_of(name)
    if source.published is not None:
        refuse_too_many(count, num_training(source.published, source.shares, protocol), protocol)


def load(reading: Reading, device: torch.device) -> Data:
    """Read a data set, divide it and put it on a device, where its images will live.

    Raises:
        UserError: the data set cannot be read or divided as asked.
    """
    source = _source(reading.name, reading.size)
    found = find(reading)
    original = read(reading, found).original
    division = divide(
        original,
        source.shares,
        protocol=reading.protocol,
        device=device,
        train_images=reading.train_images,
        control=reading.control,
    )
    return Data(
        name=reading.name,
        num_classes=len(original.class_names),
        class_names=original.class_names,
        image_shape=(3, *original.train.x.shape[2:]),
        mean=source.mean,
        std=source.std,
        flips=source.flips and found.flips,
        protocol=reading.protocol,
        parts=division.parts,
        attack_splits=division.attack_splits,
    )


def find(reading: Reading) -> Found:
    """Return what lies in a data set's folder, fetched first if it may be.

    Raises:
        UserError: it cannot be read.
    """
    root = None if reading.root is None else Path(reading.root)
    return _source(reading.name, reading.size).find(root, reading.download)


def read(reading: Reading, found: Found | None = None, tell: Tell = lambda progress: None) -> Stored:
    """Return a data set's images, not divided: from the image cache, or decoded first.

    Of pictures whose pixels are all the same, one is kept; data sets with published parts are left as they are.

    Args:
        reading: The data set.
        found: What lies in its folder; None to look.
        tell: Hears how many are decoded.

    Raises:
        UserError: it cannot be read; names the files.
    """
    source = _source(reading.name, reading.size)
    there = find(reading) if found is None else found
    wish = Wish(reading.name, there, reading.size or source.size, drop_copies=source.published is None)
    return stored(wish, tell)


def parts_digests(data: Data) -> dict[str, str]:
    """Return the SHA-256 of the images by part."""
    return {name: part.digest for name, part in data.parts.items()}


def epoch_order(n: int, seed: int) -> Tensor:
    """Return a permutation of n images, int64, ``(n,)``, on the CPU; the global RNG is neither read nor moved."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
