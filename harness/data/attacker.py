"""What an attacker fits on: images like those it is scored on, fewer of them, those of another data set, noise, or the
very images that the network was trained on.

References:
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019: fits on the same set, on the same
    distribution, and on random noise.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.data import Data, Part, Reading, check, read, source_of
from harness.data.parts import SPLIT_SEED, Labelled, digest, num_training
from harness.errors import UserError
from harness.records import derive

NOISE_MEAN, NOISE_STD = 0.5, 0.25
"""Of the pixels of noise images, in [0, 1] units, before they are clipped."""

CHUNK = 1000
"""Images resized at once."""

MEMBERS = "the training part"
"""Whose images ``members`` holds, in words."""

UNSEEN = ("validation", "attacker_validation", "test")
"""Parts of the study whose images no attacker fits on, wherever it has its own from."""

Settings = Mapping[str, bool | int | float | str | None]


class Held(NamedTuple):
    """What an attacker holds in place of the attacker's part."""

    part: Part
    """What it fits on."""
    stopping: Part
    """What it is tuned and stopped on, of the same kind and none of those that it fits on: as many for these as the
    study's attacker-validation has for the attacker's part."""
    labelled: bool
    """Whether the labels are of the study's classes; else they are 0, and the attacker takes what the network says."""


def attacker_part(data: Data, settings: Settings, root: str | None, device: torch.device) -> Held | None:
    """Return what the attacker fits on; None for the attacker's part as it is.

    What it stops on changes with it: whoever holds no image of the distribution that is scored cannot stop by one.
    Attacker-validation itself, on which attacks are compared once they are fitted, stays as it is.

    Args:
        data: The study's images, whose protocol is ``strict`` unless the attacker's part is taken as it is.
        settings: ``attacker/data``: ``few``, ``shifted``, ``noise`` or ``members``, else the part itself;
            ``attacker/images``: the first so many, or null for as many as the part has, of ``members`` for all;
            ``attacker/name``: the other data set.
        root: Folder of the other data set.
        device: Where the images will live.

    Raises:
        UserError: there are not as many images as asked for, or the other data set cannot be read.
    """
    kind = settings.get("attacker/data", "same")
    count = settings.get("attacker/images")
    if kind == "same" and count is None:
        return None
    own, images = data.parts["attacker"], None if count is None else int(count)
    if kind == "members":
        return _members(data, images, device)
    if kind in ("same", "few"):
        refuse_too_many(images or 0, len(own.y), "the attacker's part")
        fit, stop = Labelled(own.x[:images], own.y[:images]), data.parts["attacker_validation"]
        further = _further(data, len(fit.y))
        return _held(fit, Labelled(stop.x[:further], stop.y[:further]), device, labelled=True)
    wanted = images or len(own.y)
    further = _further(data, wanted)
    if kind == "noise":
        x = noise(wanted + further, data.image_shape)
    else:
        x = _elsewhere(data, str(settings["attacker/name"]), root, images, further, device)
    cut = _cut(data, len(x), wanted)
    # no image of these is of a class of the study
    labels = torch.zeros(len(x), dtype=torch.int64)
    return _held(Labelled(x[:cut], labels[:cut]), Labelled(x[cut:], labels[cut:]), device, labelled=False)


def _members(data: Data, images: int | None, device: torch.device) -> Held:
    """Return the images that the network was trained on: what it stops by are the next of these, or the last."""
    own = data.parts["train"]
    wanted = len(own.y) if images is None else images
    refuse_too_many(wanted, len(own.y), MEMBERS)
    if len(own.y) < 2:
        raise UserError("attacker/data: members: a single training image is none to fit on and one to stop on")
    first = Labelled(own.x, own.y).take(slice(wanted + _further(data, wanted)))
    cut = _cut(data, len(first.y), wanted)
    return _held(first.take(slice(cut)), first.take(slice(cut, None)), device, labelled=True)


def noise(count: int, image_shape: tuple[int, int, int]) -> Tensor:
    """Return images of independent Gaussian pixels, clipped to [0, 1], uint8, ``(count, *image_shape)``, on the CPU.

    The same ones on every machine: raw 16-bit draws look up the Gaussian's quantiles, so that no rounding of a
    generator's floating point is in them.
    """
    quantiles = (torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16
    levels = ((NOISE_MEAN + NOISE_STD * torch.special.ndtri(quantiles)).clamp(0, 1) * 255).round().to(torch.uint8)
    shape = (count, *image_shape)
    draws = numpy.random.Philox(key=derive(SPLIT_SEED, "attacker", "noise")).random_raw(-(-int(numpy.prod(shape)) // 4))
    drawn = draws.astype("<u8").view("<u2")[: int(numpy.prod(shape))]
    return torch.from_numpy(levels.numpy()[drawn]).view(shape)


def check_images(count: int, kind: str, own: str, other: str | None) -> None:
    """Refuse more images than an attacker can hold, as far as is known without reading any.

    Args:
        count: How many it asks for.
        kind: ``same``, ``few``, ``shifted``, ``noise`` or ``members``.
        own: The study's data set.
        other: The other one; None unless ``kind`` is ``shifted``.

    Raises:
        UserError: names both numbers.
    """
    source = source_of(own if other is None else other)
    if kind == "noise" or source.published is None:
        return
    if kind == "shifted":
        refuse_too_many(count, source.published.train, f"the training part of {other}")
    elif kind == "members":
        refuse_too_many(count, num_training(source.published, source.shares, "strict"), MEMBERS)
    else:
        pool = num_training(source.published, source.shares, "cem")  # which holds nothing out
        refuse_too_many(count, max(1, round(source.shares.attacker * pool)), "the attacker's part")


def refuse_too_many(count: int, available: int, owner: str) -> None:
    """Refuse to hold more images than there are, or none.

    Raises:
        UserError: names both numbers.
    """
    if not 1 <= count <= available:
        raise UserError(f"attacker/images: {count}: {owner} has {available} images; ask for 1 to {available}")


def check_other(name: str, root: str | None, own: str, own_root: str | None) -> None:
    """Refuse another data set that cannot be read or is the study's own, as far as can be told without decoding.

    Args:
        name: The other data set.
        root: Its folder.
        own: The study's data set.
        own_root: Its folder.

    Raises:
        UserError: says what is wrong with ``attacker/root``.
    """
    with _as_attackers():
        check(name, root)
    if root is None or own_root is None or not (source_of(name).resizable and source_of(own).resizable):
        return
    there, here = Path(root).resolve(), Path(own_root).resolve()
    if there.is_relative_to(here) or here.is_relative_to(there):
        raise UserError(f"attacker/root: {root}: holds the study's own images ({own_root}); give a folder of others")


def make_ready(name: str, root: str | None, own_size: int, images: int | None) -> None:
    """Decode another data set into the image cache, before anything starts.

    Args:
        name: The other data set.
        root: Its folder.
        own_size: Height and width in pixels of the study's images.
        images: How many of its training images the attacker holds; null for as many as the attacker's part has.

    Raises:
        UserError: it cannot be read, or has fewer; says what is wrong with the attacker's keys.
    """
    pixels = own_size if source_of(name).resizable else source_of(name).size
    _read(name, root, pixels, images, 1)


def _elsewhere(
    data: Data, name: str, root: str | None, images: int | None, further: int, device: torch.device
) -> Tensor:
    """Return the first images of another data set, less those that are also in a part no attacker fits on.

    At least two, and up to ``further`` more than asked for.
    """
    size, most = data.image_shape[1], len(data.parts["attacker"].y)
    pool = _read(name, root, size if source_of(name).resizable else source_of(name).size, images, most, further)
    x = torch.cat([_resized(chunk.to(device), size) for chunk in pool.split(CHUNK)])
    unseen = {image.tobytes() for part in UNSEEN for image in data.parts[part].x.cpu().numpy()}
    new = torch.tensor([image.tobytes() not in unseen for image in x.cpu().numpy()], device=device)
    if not new.any():
        raise UserError(f"attacker/name: {name}: all its images are the study's own; name another data set")
    if new.sum() < 2:
        raise UserError(
            f"attacker/name: {name}: a single image is none to fit on and one to stop on; name a larger one"
        )
    return x[new]


@functools.lru_cache(maxsize=1)
def _read(name: str, root: str | None, pixels: int, images: int | None, most: int, further: int = 0) -> Tensor:
    """Return so many training images of a data set in dealt order, which is the same for all; if None, ``most``.

    And as many as there are of ``further`` ones.
    """
    with _as_attackers():
        pool = read(Reading(name=name, root=root, size=pixels)).original.train
    if images is not None:
        refuse_too_many(images, len(pool.y), f"the training part of {name}")
    return pool.x[: (images or most) + further]


@contextmanager
def _as_attackers() -> Iterator[None]:
    """Let what is wrong with the other data set be said of the attacker's keys."""
    try:
        yield
    except UserError as error:
        # an attacker's images are not downloaded
        text = str(error).replace(" (data/download: true fetches it)", "")
        raise UserError(text.replace("data/", "attacker/", 1)) from error


def _resized(x: Tensor, size: int) -> Tensor:
    """Return images ``(B, 3, height, width)`` as ``(B, 3, size, size)``, uint8."""
    if x.shape[2:] == (size, size):
        return x
    scaled = F.interpolate(x.float(), (size, size), mode="bilinear", align_corners=False, antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def _further(data: Data, count: int) -> int:
    """Return how many images whoever fits on ``count`` stops on: in the study's own proportion, at least one."""
    stop, fit = (len(data.parts[name].y) for name in ("attacker_validation", "attacker"))
    return min(stop, max(1, round(stop * count / fit)))


def _cut(data: Data, there: int, wanted: int) -> int:
    """Return how many of the images that are there an attacker fits on: without any beyond those, the last of them are
    set aside to stop by.
    """
    return wanted if there > wanted else there - _further(data, there)


def _held(fit: Labelled, stop: Labelled, device: torch.device, *, labelled: bool) -> Held:
    return Held(_part("attacker_held", fit, device), _part("attacker_stopping", stop, device), labelled)


def _part(name: str, images: Labelled, device: torch.device) -> Part:
    return Part(name=name, x=images.x.to(device), y=images.y.to(device), digest=digest(images))
