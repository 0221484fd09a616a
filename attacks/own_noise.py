"""Random numbers of each image's own, whoever is beside it: drawn by counting from a key that its release gives.

A generator's numbers depend on the place in the batch, and numbers that all images share make their errors move
together, so that a standard error over images is too small.

References:
    Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011 (counters in place of states).
    Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64).
    Box, Muller, A note on the generation of random normal deviates, 1958.
"""

import functools
import math

import torch
from torch import Tensor

COMPARED = 256
"""Pairs of features whose order is the key: the same in every unit and about every level."""

_STEP, _FIRST, _SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
_LOW = 0xFFFFFFFF


class OwnNoise:
    """Numbers that depend on a seed, on the image's release, and on how many were drawn before.

    Args:
        z: Releases, ``(B, C, H, W)``. Two that have the order of all compared features in common share their numbers.
        seed: Of all, in [0, 2^62).
    """

    def __init__(self, z: Tensor, seed: int) -> None:
        self._keys, self._drawn = _mixed(_keys(z) + seed), 0

    def __len__(self) -> int:
        """Return the number of images, B."""
        return len(self._keys)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers, ``(B, *shape)`` float32; the next call returns others."""
        count = (math.prod(shape) + 1) // 2
        steps = torch.arange(self._drawn + 1, self._drawn + count + 1, device=self._keys.device)
        self._drawn += count
        bits = _mixed(self._keys[:, None] + steps * _STEP)
        # both halves of 64 bits as numbers in (0, 1] and [0, 1)
        radius = (-2 * ((_shifted(bits, 32) + 1) / 2**32).log()).sqrt()
        angle = (bits & _LOW) * (2 * math.pi / 2**32)
        both = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
        return both[:, : math.prod(shape)].unflatten(1, shape) if shape else both[:, 0]

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers that are uniform in [-1, 1], ``(B, *shape)`` float32."""
        share: Tensor = torch.special.ndtr(self.normal(*shape))
        return 2 * share - 1


def _keys(z: Tensor) -> Tensor:
    """Return a number for each release, ``(B,)`` int64."""
    pairs, weights = _compared(z[0].numel())
    flat = z.flatten(1)
    greater = flat[:, pairs[0].to(z.device)] > flat[:, pairs[1].to(z.device)]
    return (greater * weights.to(z.device)).sum(1)


@functools.lru_cache(maxsize=8)
def _compared(features: int) -> tuple[Tensor, Tensor]:
    """Return the features compared, ``(2, COMPARED)``, and what each order adds to a key, ``(COMPARED,)``."""
    pairs = _mixed(torch.arange(2 * COMPARED)).view(2, COMPARED).remainder(features)
    return pairs, _mixed(torch.arange(2 * COMPARED, 3 * COMPARED))


def _mixed(bits: Tensor) -> Tensor:
    """Return 64 bits of which each depends on all that were given (SplitMix64); int64, as two's complements."""
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Return bits shifted to the right, noughts coming in: int64 would carry its sign on."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
