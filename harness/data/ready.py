"""Makes a study's images ready before anything starts: decoded, counted, and told of what a reader should know."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch

from harness import cache
from harness.data import Promise, Reading, find, read, source_of
from harness.data.copies import NEAR, VERSION, Near, near_copies
from harness.data.parts import Protocol, divide
from harness.data.spectrum import spectrum
from harness.data.stored import Stored
from harness.data.tree import in_words
from harness.errors import UserError
from harness.ledger import write_whole
from harness.records import Tell

CPU = torch.device("cpu")

PIECES = {("strict", False): 5, ("strict", True): 4, ("cem", False): 2, ("cem", True): 1}
"""Parts that a class's training images are divided into, by protocol and by whether a test set is held out."""


class Ready(NamedTuple):
    """What there is to say of images."""

    told: tuple[str, ...]
    """Lines for who starts a study."""
    marks: tuple[str, ...]
    """Lines for who reads its page: also among those that are told."""
    parts: dict[str, int]
    """How many images each part has, all training images included."""
    spectrum: tuple[float, ...]
    """Of the training images (`harness.data.spectrum`)."""
    classes: int
    pixels: int
    """Numbers that an image has, all channels included."""


def make_ready(reading: Reading, tell: Tell = lambda progress: None) -> Ready:
    """Decode a data set into the image cache, if it is not there, and look at what the images are.

    Args:
        reading: The data set; how many of its images are trained on is of no account.
        tell: Hears how many are decoded.

    Raises:
        UserError: files cannot be read, or a class has fewer images than there are parts; names them.
    """
    found = find(reading)
    images = read(reading, found, tell)
    _refuse_small_classes(images, reading)
    division = divide(images.original, source_of(reading.name).shares, protocol=reading.protocol, device=CPU)
    near = _near(images, reading.protocol, lambda: near_copies(division))
    marks = [f"{reading.name} {mark}" for mark in (_broken_promise(images, reading.name), _both_sides(near)) if mark]
    left_out = found.left_out + Counter({"exact copies of other images": images.copies})
    told = filter(None, (in_words(left_out), *marks, images.fault))
    sizes = {name: len(part.y) for name, part in division.parts.items()}
    train = images.original.train.x
    classes = len(images.original.class_names)
    return Ready(tuple(told), tuple(marks), sizes, spectrum(train), classes, train[0].numel())


def _refuse_small_classes(images: Stored, reading: Reading) -> None:
    """Refuse a class that some part would lack."""
    original = images.original
    least = PIECES[reading.protocol, original.test is not None]
    counts = original.train.y.bincount(minlength=len(original.class_names)).tolist()
    small = [(name, count) for name, count in zip(original.class_names, counts, strict=True) if count < least]
    if small:
        named = ", ".join(f"{name} {count}" for name, count in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise UserError(
            f"data/root: {reading.root}: too few training images of {named}{more}; protocol {reading.protocol} divides "
            f"each class and needs at least {least} of it, copies apart: add images, or remove the class"
        )


def _broken_promise(images: Stored, name: str) -> str:
    """Return where a data set differs from what its publisher gives; empty where it does not."""
    promise = source_of(name).promise
    if promise is None:
        return ""
    train, test = images.listed
    there = Promise(len(images.original.class_names), train, test)
    words = ("classes", "training images", "test images")
    wrong = [
        f"{have:,} {word} in place of {wanted:,}"
        for have, wanted, word in zip(there, promise, words, strict=True)
        if wanted is not None and have != wanted
    ]
    return f"is not all that its publisher gives: {', '.join(wrong)}" if wrong else ""


def _both_sides(near: Near) -> str:
    """Return how many scored images are on the other side, too; empty for none."""
    if not near.near:
        return ""
    exact = f", {near.exact:,} of them to the pixel" if near.exact else ""
    return (
        f"has {near.near:,} scored images of {near.scored:,} that are near-copies of images which networks or "
        f"attackers are fitted on{exact}: their scores tell of memory, too"
    )


def _near(images: Stored, protocol: Protocol, count: Callable[[], Near]) -> Near:
    """Return what was counted of these very images, or count it and remember it beside them."""
    if images.key is None:
        return count()
    with contextlib.suppress(cache.Unusable):  # it is then counted every time
        path = cache.room("images") / images.key / f"near-{protocol}-{VERSION}-{NEAR:g}.json"
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Near(*json.loads(path.read_bytes()))
        counted = count()
        with cache.usable():
            write_whole(path, json.dumps(counted).encode())
        return counted
    return count()
