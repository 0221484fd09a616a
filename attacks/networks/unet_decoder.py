"""The strong inverse network: a U of residual blocks below the release's size, and on up to the image's size.

References:
    Ronneberger, Fischer, Brox, U-Net: convolutional networks for biomedical image segmentation, 2015.
    Perez, Strub, de Vries, Dumoulin, Courville, FiLM: visual reasoning with a general conditioning layer, 2018.
    Dhariwal, Nichol, Diffusion models beat GANs on image synthesis, 2021.
"""

import math
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BOTTOM = 4
"""Side of the lowest scale: releases are halved until the shorter side is no more than this."""

WIDEST = 4
"""Width of the low scales over that at the image's size, at most."""

Size = tuple[int, int]
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class ConditionedBlock(nn.Module):
    """Pre-activation residual block; the condition scales and shifts its second norm. It starts as the identity.

    Args:
        width: Channels, >= 1.
        num_conditions: Length of the condition, >= 1.
    """

    def __init__(self, width: int, num_conditions: int) -> None:
        super().__init__()
        self.before, self.between = _norm(width), _norm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = _silent(nn.Conv2d(width, width, 3, padding=1))
        self.film = _silent(nn.Linear(num_conditions, 2 * width))

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """Map ``(B, width, H, W)`` to the same shape under conditions ``(B, num_conditions)``."""
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        residual = self.between(self.first(F.silu(self.before(h))))
        return torch.add(h, self.second(F.silu(torch.addcmul(shift, residual, 1 + scale))))


class Attention(nn.Module):
    """Residual self-attention over the positions of a scale, 64 channels a head. It starts as the identity.

    Args:
        width: Channels, >= 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.heads = _norm(width), math.gcd(width, max(1, width // 64))
        self.qkv, self.out = nn.Linear(width, 3 * width), _silent(nn.Linear(width, width))

    def forward(self, h: Tensor) -> Tensor:
        """Map ``(B, width, H, W)`` to the same shape."""
        tokens = self.norm(h).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return torch.add(h, self.out(mixed).transpose(1, 2).unflatten(2, h.shape[2:]))


class Scale(nn.Module):
    """What is done at one size: residual blocks, with attention after the first where ``attends``."""

    def __init__(self, width: int, num_conditions: int, blocks: int, *, attends: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConditionedBlock(width, num_conditions) for _ in range(blocks))
        self.attention = Attention(width) if attends else nn.Identity()

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """Map ``(B, width, H, W)`` to the same shape."""
        for position, block in enumerate(self.blocks):
            h = block(h, condition)
            h = self.attention(h) if position == 0 else h
        return h


class UnetDecoder(nn.Module):
    """Maps releases, the predicted label's probabilities and log sigma to images; untrained it returns ``start``.

    The release's size is halved down to ``BOTTOM`` with one block a scale, then doubled as often as the image's size
    allows with ``blocks`` a scale; what was seen on the way down is added on the way up. Blocks start as the identity,
    so that the whole starts as a linear map.

    Args:
        activation: ``(C, H, W)`` of the input.
        start: An image, ``(1, 3, height, width)``, height >= H, width >= W.
        num_classes: Number of probabilities, >= 1.
        width: Channels at the highest scale, >= 1; they double with each halving, up to ``WIDEST`` times.
        blocks: Residual blocks of a scale on the way up, >= 1.
        attention: Longer side of the largest scale that has attention; 0 for none.
        patch: Side of the square of pixels that the highest scale treats as one, >= 1; the largest one up to this that
            divides the image and leaves it no smaller than the activation.
    """

    start: Tensor

    def __init__(
        self,
        activation: tuple[int, int, int],
        start: Tensor,
        num_classes: int,
        width: int,
        blocks: int,
        attention: int,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.register_buffer("start", start)
        image = (start.shape[2], start.shape[3])
        self.patch = next(side for side in range(patch, 0, -1) if side == 1 or _divides(side, activation[1:], image))
        self.grid = (image[0] // self.patch, image[1] // self.patch)
        below, above = _sizes(activation[1:], self.grid)
        self.sizes = [*below, *above]
        widths = [width * min(WIDEST, 2**halvings) for halvings in reversed(range(len(self.sizes)))]
        entry, length = len(below), 2 * widths[0]
        attends = [max(size) <= attention for size in self.sizes]
        self.label, self.noise, self.mix = (
            nn.Linear(num_classes, length),
            nn.Linear(1, length),
            nn.Linear(length, length),
        )
        self.inlet = nn.Conv2d(activation[0], widths[entry], 3, padding=1)
        self.down = nn.ModuleList(Scale(widths[i], length, 1, attends=attends[i]) for i in range(entry, 0, -1))
        self.shrink = nn.ModuleList(
            nn.Conv2d(widths[i], widths[i - 1], 3, stride=2, padding=1) for i in range(entry, 0, -1)
        )
        self.up = nn.ModuleList(
            Scale(here, length, blocks, attends=there) for here, there in zip(widths, attends, strict=True)
        )
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for low, high in pairwise(widths))
        self.outlet = _silent(nn.Conv2d(width, start.shape[1] * self.patch**2, 3, padding=1))

    def forward(self, z: Tensor, probabilities: Tensor, log_sigma: Tensor) -> Tensor:
        """Return images, ``(B, 3, height, width)`` float32, not clamped.

        Args:
            z: Standardised releases, ``(B, C, H, W)``.
            probabilities: Of the classes, ``(B, num_classes)``.
            log_sigma: Logarithm of the channel noise's standard deviation, ``(B, 1)``.
        """
        condition = F.silu(self.mix(F.silu(self.label(probabilities) + self.noise(log_sigma))))
        h = self.inlet(z)
        seen = []
        for scale, shrink in zip(self.down, self.shrink, strict=True):
            h = scale(h, condition)
            seen.append(h)
            h = shrink(h)
        h = self.up[0](h, condition)
        for scale, enlarge, (height, width) in zip(self.up[1:], self.enlarge, self.sizes[1:], strict=True):
            h = enlarge(h)[:, :, :height, :width]
            h = scale(h + seen.pop() if seen else h, condition)
        if h.shape[2:] != self.grid:
            h = F.interpolate(h, self.grid, mode="bilinear", align_corners=False)
        difference = F.pixel_shuffle(self.outlet(h).float(), self.patch)
        return self.start + difference


def _divides(side: int, activation: Size, image: Size) -> bool:
    """Say whether squares of pixels tile an image, and are no fewer than the activation's positions."""
    return all(pixels % side == 0 and pixels // side >= few for pixels, few in zip(image, activation, strict=True))


def _sizes(activation: Size, image: Size) -> tuple[list[Size], list[Size]]:
    """Return the sizes below the activation's, and from it up, both ascending."""
    ratio = min(image[0] // activation[0], image[1] // activation[1])
    if ratio < 1:
        raise ValueError(f"an inverse network needs images {image} no smaller than activations {activation}")
    above = [(activation[0] << i, activation[1] << i) for i in range(int(math.log2(ratio)) + 1)]
    below: list[Size] = []
    size = activation
    while min(size) > BOTTOM:
        size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        below.insert(0, size)
    return below, above


def _norm(width: int) -> nn.GroupNorm:
    """Return a norm over groups of 16 channels: of one image alone, so that it is the same in training and after."""
    return nn.GroupNorm(math.gcd(width, max(1, width // 16)), width)


def _silent(layer: Layer) -> Layer:
    """Return the layer with weights of 0."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
