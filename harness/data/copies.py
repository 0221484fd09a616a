"""The same picture twice: exact copies by a hash of their pixels, near-copies by thumbnails."""

import hashlib
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from harness.data.parts import Division

SIDE = 8
"""Pixels of a thumbnail's side."""

NEAR = 6.0
"""Root mean square distance of two thumbnails, in levels of 255, up to which two pictures are near-copies: saved again,
scaled, a little brighter. Of CIFAR-10 2 scored images of 12,000 are; no two digits are closer than 11."""

VERSION = 1
"""Of what counts as a near-copy."""

BLOCK = 4096
"""Images that are compared with all others at once."""

PAIRS = 1_000_000_000
"""Most pairs that are compared."""


class Near(NamedTuple):
    """How many scored images lie in what is fitted on, too."""

    scored: int
    """Scored images that were looked at."""
    exact: int
    """Of these, those with the very pixels of an image that something is fitted on."""
    near: int
    """Those with nearly its thumbnail, exact ones included."""


def kept_of(parts: dict[str, NDArray[numpy.uint8]]) -> dict[str, NDArray[numpy.int64]]:
    """Return the indices that stay of each part if of equal images the first is kept, part after part."""
    seen: set[bytes] = set()
    kept: dict[str, NDArray[numpy.int64]] = {}
    for name, images in parts.items():
        stay = []
        for index, image in enumerate(images):
            digest = _fingerprint(image)
            if digest not in seen:
                seen.add(digest)
                stay.append(index)
        kept[name] = numpy.array(stay, dtype=numpy.int64)
    return kept


def near_copies(division: Division) -> Near:
    """Compare the scored images of a division with those that anything is fitted on.

    Under ``strict``, scored are ``validation`` and ``test``, fitted on are all others. Under ``cem`` each split is
    compared by itself. Where there are more than ``PAIRS`` pairs, the first scored images stand for all.
    """
    sums = [_near(scored, rest) for scored, rest in _sides(division)]
    return Near(*(sum(counts) for counts in zip(*sums, strict=True)))


def _sides(division: Division) -> list[tuple[list[Tensor], list[Tensor]]]:
    parts = division.parts
    if "validation" in parts:
        scored = ("validation", "test")
        return [([parts[name].x for name in scored], [part.x for name, part in parts.items() if name not in scored])]
    return [([split.scored.x], [split.fit.x]) for split in division.attack_splits]


def _near(scored: list[Tensor], rest: list[Tensor]) -> Near:
    fitted = torch.cat([_thumbnails(x) for x in rest])
    most = max(1, PAIRS // max(1, len(fitted)) // len(scored))
    looked = [x[:most] for x in scored]
    limit = fitted.shape[1] * NEAR**2
    near = sum(int((_least(_thumbnails(x), fitted) <= limit).sum()) for x in looked)
    there = {_fingerprint(image) for x in rest for image in x.numpy()}
    exact = sum(_fingerprint(image) in there for x in looked for image in x.numpy())
    return Near(sum(len(x) for x in looked), exact, near)


def _thumbnails(x: Tensor) -> Tensor:
    """Return images' thumbnails less mid-grey, in levels, float32, ``(N, 3 * SIDE * SIDE)``."""
    small = [F.adaptive_avg_pool2d(chunk.float(), SIDE) for chunk in x.split(BLOCK)]
    return torch.cat(small).flatten(1) - 127.5


def _least(these: Tensor, those: Tensor) -> Tensor:
    """Return each thumbnail's least squared distance to any of the others, ``(N,)``."""
    norms, least = those.square().sum(1), []
    for block in these.split(BLOCK):
        nearest = torch.full((len(block),), torch.inf)
        for other, norm in zip(those.split(BLOCK), norms.split(BLOCK), strict=True):
            products = torch.addmm(norm, block, other.T, alpha=-2)
            nearest = torch.minimum(nearest, products.amin(1))
        least.append(nearest + block.square().sum(1))
    return torch.cat(least)


def _fingerprint(image: NDArray[numpy.uint8]) -> bytes:
    return hashlib.blake2b(numpy.ascontiguousarray(image).data, digest_size=16).digest()
