"""A small U-Net over noisy images: what a diffusion prior learns with.

References:
    Ho, Jain, Abbeel, Denoising diffusion probabilistic models, 2020.
    Nichol, Dhariwal, Improved denoising diffusion probabilistic models, 2021.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Sizes(NamedTuple):
    """The sizes of a U-Net."""

    channels: int
    """Width at the highest resolution, a multiple of 4."""
    mult: tuple[int, ...]
    """Width of each resolution over ``channels``; each resolution is half the one before."""
    blocks: int
    """Residual blocks per resolution on the way down, and again on the way up, >= 1."""
    patch: int
    """Side of the square of pixels that the highest resolution treats as one, >= 1."""


class UNet(nn.Module):
    """Residual blocks down and up again, attention at the lowest resolution; returns zeros until it is trained.

    Args:
        num_in: Channels of its input, >= 1.
        num_out: Channels of its output, >= 1.
        sizes: Of the network.
    """

    def __init__(self, num_in: int, num_out: int, sizes: Sizes) -> None:
        super().__init__()
        widths, embedding = [sizes.channels * factor for factor in sizes.mult], 4 * sizes.channels
        self.patch, self.multiple = sizes.patch, sizes.patch * 2 ** (len(widths) - 1)
        self.embed = nn.Sequential(nn.Linear(64, embedding), nn.SiLU())
        self.stem = nn.Conv2d(num_in * sizes.patch**2, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = widths[0]
        for width in widths:
            self.down.append(_Stage([before] + [width] * (sizes.blocks - 1), width, embedding))
            before = width
        for width in reversed(widths):
            self.up.append(_Stage([before + width] + [width] * (sizes.blocks - 1), width, embedding))
            before = width
        self.middle, self.attention = _Block(widths[-1], widths[-1], embedding), _Attention(widths[-1])
        last = _zero(nn.Conv2d(widths[0], num_out * sizes.patch**2, 3, padding=1))
        self.head = nn.Sequential(_norm(widths[0]), nn.SiLU(), last)

    def forward(self, u: Tensor, time: Tensor) -> Tensor:
        """Map ``(B, num_in, height, width)``, of any size, at times ``(B,)`` to ``(B, num_out, height, width)``."""
        height, width = u.shape[2:]
        padded = F.pad(u, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        h = self.stem(F.pixel_unshuffle(padded, self.patch).contiguous(memory_format=torch.channels_last))
        embedding, skips = self.embed(_sinusoids(time)), list[Tensor]()
        for level, stage in enumerate(self.down):
            h = stage(h if level == 0 else F.avg_pool2d(h, 2), embedding)
            skips.append(h)
        h = self.attention(self.middle(h, embedding))
        for level, stage in enumerate(self.up):
            h = h if level == 0 else F.interpolate(h, scale_factor=2.0, mode="nearest")
            h = stage(torch.cat((h, skips.pop()), dim=1), embedding)
        return F.pixel_shuffle(self.head(h).float(), self.patch)[:, :, :height, :width]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the time scales and shifts between them."""

    def __init__(self, num_in: int, num_out: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_norm(num_in), nn.SiLU(), nn.Conv2d(num_in, num_out, 3, padding=1))
        self.norm, self.film = _norm(num_out), nn.Linear(embedding, 2 * num_out)
        self.second = _zero(nn.Conv2d(num_out, num_out, 3, padding=1))
        self.shortcut = nn.Identity() if num_in == num_out else nn.Conv2d(num_in, num_out, 1)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        inner = self.second(F.silu(self.norm(self.first(h)) * (1 + scale) + shift))
        return torch.add(self.shortcut(h), inner)


class _Stage(nn.Module):
    """The blocks of one resolution."""

    def __init__(self, nums_in: list[int], width: int, embedding: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(num_in, width, embedding) for num_in in nums_in)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        for block in self.blocks:
            h = block(h, embedding)
        return h


class _Attention(nn.Module):
    """Self-attention over positions, one head, beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.inward = _norm(width), nn.Conv2d(width, 3 * width, 1)
        self.outward = _zero(nn.Conv2d(width, width, 1))

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self.inward(self.norm(h)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return torch.add(h, self.outward(mixed.unflatten(2, h.shape[2:])))


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(width, 8), width)


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _sinusoids(time: Tensor) -> Tensor:
    """Return sines and cosines of times ``(B,)`` at 32 frequencies, ``(B, 64)``."""
    frequencies = torch.exp(torch.linspace(0, math.log(1000), 32, device=time.device))
    angles = time[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)
