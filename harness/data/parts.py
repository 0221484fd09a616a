"""Whose images are whose: parts that are stratified, disjoint by construction, and told apart by a digest."""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy
import torch
from torch import Tensor

from harness.errors import UserError

Protocol = Literal["strict", "cem"]

SPLIT_SEED = 0
"""The seed of every split: parts are the same for all studies."""

CEM_INFER_SHARE = 0.9
"""Share of the test images that the published protocol's second attacker fits on: the first 9,000 of CIFAR's 10,000."""

CEM_SELECTION = 1000
"""Most images that attackers set aside, to be tuned and stopped on, under the published protocol."""


CONTROL_IMAGES = 2000
"""Most images that are taken out of the training part for a training that is held to an accuracy."""

CONTROL_SHARE = 0.25
"""Most of the training part that they may be."""


class Labelled(NamedTuple):
    """Images in memory, with their labels."""

    x: Tensor
    """uint8, ``(N, 3, height, width)``."""
    y: Tensor
    """int64, ``(N,)``."""

    def take(self, indices: Tensor | slice) -> "Labelled":
        """Return the images with these indices, in their order."""
        return Labelled(self.x[indices], self.y[indices])


class Original(NamedTuple):
    """A data set as its publisher divides it."""

    train: Labelled
    test: Labelled | None
    """None if there is no official test set."""
    class_names: tuple[str, ...]
    dealt: bool = False
    """Whether the training images are in dealt order already: the parts are then runs of them, without a copy."""


class Shares(NamedTuple):
    """How images are divided: the first three as shares of the training images, in (0, 1); the rest is ``train``."""

    validation: float = 0.04
    attacker: float = 0.18
    attacker_validation: float = 0.02
    test: float = 0.15
    """Share of all images that is set aside first where there is no official test set."""


SHARES = Shares()
"""Of CIFAR's 50,000 training images 38,000 / 2,000 / 9,000 / 1,000."""


class Published(NamedTuple):
    """How many images the publisher of a data set gives."""

    train: int
    """All images where there is no official test set."""
    test: int | None
    """None if there is no official test set."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Images that are used for one thing only."""

    name: str
    x: Tensor
    """uint8, ``(N, 3, height, width)``, on the training device."""
    y: Tensor
    """int64, ``(N,)``."""
    digest: str
    """SHA-256, hexadecimal, over shape, images and labels in their order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AttackSplit:
    """What an attacker fits on, is tuned on, and is scored on."""

    part: str
    """``validation`` under ``strict``; ``train`` or ``infer``, after what is fitted on, under ``cem``."""
    fit: Part
    selection: Part
    """Attacker-validation: the attacker fits on none of it. Under the published protocol, which holds nothing out, it
    is the last tenth of what the attacker was given, at most 1,000 images, set aside by itself: else it would stop by
    images that it knows by heart."""
    scored: Part


class Division(NamedTuple):
    """A data set divided by a protocol."""

    parts: dict[str, Part]
    attack_splits: tuple[AttackSplit, ...]


def digest(images: Labelled) -> str:
    """Return the SHA-256 over shape, images and labels in their order, as 64 hexadecimal digits."""
    sha = hashlib.sha256(repr(tuple(images.x.shape)).encode())
    sha.update(images.x.cpu().contiguous().numpy().data)
    sha.update(images.y.cpu().contiguous().numpy().astype("<i8").data)
    return sha.hexdigest()


def dealt(y: Tensor, seed: int) -> Tensor:
    """Return a shuffled order in which every run of images holds each class in its due share.

    The k-th image of a class with n images stands at (k + 1/2) / n of the way, so a run of consecutive images, wherever
    it starts, misses its share of a class by less than about two images.

    Args:
        y: Labels, int64, ``(N,)``.
        seed: Non-negative; Philox's raw stream is the same on every machine and in every version of NumPy.

    Returns:
        A permutation, int64, ``(N,)``.
    """
    labels = y.cpu().numpy()
    shuffled = numpy.argsort(numpy.random.Philox(key=seed).random_raw(len(labels)), kind="stable")
    by_class = shuffled[numpy.argsort(labels[shuffled], kind="stable")]
    counts = numpy.bincount(labels)
    sorted_labels = labels[by_class]
    rank = numpy.arange(len(labels)) - (numpy.cumsum(counts) - counts)[sorted_labels]
    position = (rank + 0.5) / counts[sorted_labels]
    return torch.from_numpy(by_class[numpy.argsort(position, kind="stable")])


def divide(
    original: Original,
    shares: Shares,
    *,
    protocol: Protocol,
    device: torch.device,
    train_images: int | None = None,
    control: bool = False,
    seed: int = SPLIT_SEED,
) -> Division:
    """Divide a data set by a protocol; ``train_images`` keeps the first images of the training part.

    With ``control`` the last of these are a part of their own, on which nothing is trained: a run of the dealt order
    like all parts, so as stratified. The published protocol has none.

    Raises:
        UserError: there are too few images to divide, or fewer than ``train_images`` to train on.
    """
    pool, test = _pool_and_test(original, shares.test, seed)
    if protocol == "strict":
        return _strict(pool, test, shares, train_images, device, control=control)
    return _cem(pool, test, train_images, device)


def num_training(published: Published, shares: Shares, protocol: Protocol) -> int:
    """Return how many images :func:`divide` leaves to train on."""
    pool = published.train
    if published.test is None:
        pool -= _size(shares.test, pool)
    if protocol == "cem":
        return pool
    return pool - sum(_size(share, pool) for share in (shares.validation, shares.attacker, shares.attacker_validation))


def refuse_too_many(count: int, available: int, protocol: Protocol) -> None:
    """Refuse to train on a number of images that are not there.

    Raises:
        UserError: names both numbers.
    """
    if not 1 <= count <= available:
        raise UserError(
            f"train/images: {count}: protocol {protocol} has {available} training images; ask for 1 to {available}"
        )


def _pool_and_test(original: Original, test_share: float, seed: int) -> tuple[Labelled, Labelled]:
    """Return the training images in dealt order, and the test images: the official ones in their own order.

    What is dealt already was dealt by ``SPLIT_SEED``.
    """
    train = original.train if original.dealt else original.train.take(dealt(original.train.y, seed))
    if original.test is not None:
        return train, original.test
    kept = len(train.y) - _size(test_share, len(train.y))
    return train.take(slice(kept)), train.take(slice(kept, None))


def _strict(
    pool: Labelled, test: Labelled, shares: Shares, train_images: int | None, device: torch.device, *, control: bool
) -> Division:
    # consecutive runs of the dealt order: disjoint and stratified
    rest, runs = pool, {}
    for name in ("attacker_validation", "attacker", "validation"):
        kept = len(rest.y) - _size(getattr(shares, name), len(pool.y))
        if kept < 1:
            raise UserError(f"data/root: {len(pool.y)} training images are too few to divide; at least 4 are needed")
        rest, runs[name] = rest.take(slice(kept)), rest.take(slice(kept, None))
    runs["train"], runs["test"] = _first(rest, train_images, "strict"), test
    names = ["train", "validation", "attacker", "attacker_validation", "test"]
    if control:
        kept = len(runs["train"].y) - min(CONTROL_IMAGES, _size(CONTROL_SHARE, len(runs["train"].y)))
        runs["train"], runs["control"] = runs["train"].take(slice(kept)), runs["train"].take(slice(kept, None))
        names.append("control")
    parts = {name: _part(name, runs[name], device) for name in names}
    split = AttackSplit(
        part="validation",
        fit=parts["attacker"],
        selection=parts["attacker_validation"],
        scored=parts["validation"],
    )
    return Division(parts, (split,))


def _cem(pool: Labelled, test: Labelled, train_images: int | None, device: torch.device) -> Division:
    train = _first(pool, train_images, "cem")
    kept = len(test.y) - _size(1 - CEM_INFER_SHARE, len(test.y))
    if kept < 1:
        raise UserError(f"data/root: {len(test.y)} test images are too few to divide; at least 2 are needed")
    parts = {"train": _part("train", train, device), "test": _part("test", test, device)}
    by_train = _attacked("train", train, parts["test"], device)
    scored = _part("infer_scored", test.take(slice(kept, None)), device)
    return Division(parts, (by_train, _attacked("infer", test.take(slice(kept)), scored, device)))


def _attacked(part: str, given: Labelled, scored: Part, device: torch.device) -> AttackSplit:
    """Return what an attacker does with the images that it is given: all but the last ones are to fit on."""
    kept = max(1, len(given.y) - min(CEM_SELECTION, _size(0.1, len(given.y))))
    selection = given.take(slice(min(kept, len(given.y) - 1), None))
    fit = given.take(slice(kept))
    return AttackSplit(
        part=part,
        fit=_part(f"{part}_fit", fit, device),
        selection=_part(f"{part}_selection", selection, device),
        scored=scored,
    )


def _first(images: Labelled, count: int | None, protocol: Protocol) -> Labelled:
    if count is not None:
        refuse_too_many(count, len(images.y), protocol)
    return images.take(slice(count))


def _size(share: float, count: int) -> int:
    return max(1, round(share * count))


def _part(name: str, images: Labelled, device: torch.device) -> Part:
    return Part(name=name, x=images.x.to(device), y=images.y.to(device), digest=digest(images))
