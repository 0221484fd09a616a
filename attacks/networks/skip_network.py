"""The hourglass network with skip connections of the deep image prior, in as many copies as there are images.

References:
    Ulyanov, Vedaldi, Lempitsky, Deep image prior, 2018.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.own_noise import OwnNoise

SLOPE = 0.2
"""Of LeakyReLU below 0."""

LEAST_SIDE = 2
"""Height and width at the lowest scale, at least: a norm over a single pixel would leave nothing."""


class SkipNetwork:
    """Draws images from random inputs, each by weights of its own; all copies run as one grouped convolution.

    Each scale halves the size: two convolutions down, then back up and together with a thin skip connection. Norms are
    over a single image's pixels. As many scales are built as the image allows, the first ones given.

    Args:
        mean: Image in [0, 1] that untrained copies draw, ``(1, 3, height, width)``.
        widths: Channels of each scale, the highest first, >= 1; at least one.
        kernels: Side of the kernels on each scale's way down, odd.
        skip: Channels of a skip connection, >= 1.
        inputs: Channels of the input, >= 1.
    """

    def __init__(self, mean: Tensor, widths: Sequence[int], kernels: Sequence[int], skip: int, inputs: int) -> None:
        side = min(mean.shape[2:])
        self.scales = min(len(widths), max(1, int(math.log2(side / LEAST_SIDE))))
        self.offset = torch.logit(mean, eps=1e-2)
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Of one copy's weights by name."""
        width = inputs
        for scale, (new, kernel) in enumerate(zip(widths[: self.scales], kernels[: self.scales], strict=True)):
            below = widths[min(scale + 1, self.scales - 1)]
            self._add(f"skip{scale}", skip, width, 1)
            self._add(f"down{scale}", new, width, kernel)
            self._add(f"deep{scale}", new, new, kernel)
            self._add(f"merge{scale}", new, below, 3)
            self.shapes[f"merge{scale}.skip"] = (new, skip, 3, 3)
            self._add(f"mix{scale}", new, new, 1)
            width = new
        self.shapes |= {"last.weight": (mean.shape[1], widths[0], 1, 1), "last.bias": (mean.shape[1],)}

    def initial(self, own: OwnNoise) -> list[Tensor]:
        """Return random weights of a copy for each of B images, ``(B, *shape)`` each, whoever is beside it."""
        return [_initial(name, shape, own).to(self.offset.device) for name, shape in self.shapes.items()]

    def draw(self, weights: Sequence[Tensor], u: Tensor) -> Tensor:
        """Return images in [0, 1], ``(B, 3, height, width)``; differentiable in the weights.

        Args:
            weights: Of B copies, ``(B, *shape)`` each, in the order of ``shapes``.
            u: Inputs of the copies side by side, ``(1, B inputs, height, width)``, or one for all of them.
        """
        named = dict(zip(self.shapes, weights, strict=True))
        h = self._scale(u.contiguous(memory_format=torch.channels_last), named, 0)
        logits: Tensor = _convolved(h, named["last.weight"]).unflatten(1, (-1, self.offset.shape[1]))[0]
        logits = logits + named["last.bias"][..., None, None] + self.offset
        return logits.sigmoid()

    def _add(self, name: str, num_out: int, num_in: int, kernel: int) -> None:
        self.shapes |= {f"{name}.weight": (num_out, num_in, kernel, kernel)}
        self.shapes |= {f"{name}.gain": (num_out,), f"{name}.bias": (num_out,)}

    def _scale(self, h: Tensor, weights: Mapping[str, Tensor], scale: int) -> Tensor:
        skip = _block(h, weights, f"skip{scale}")
        low = _block(_block(h, weights, f"down{scale}", stride=2), weights, f"deep{scale}")
        if scale + 1 < self.scales:
            low = self._scale(low, weights, scale + 1)
        high = F.interpolate(low, h.shape[2:], mode="bilinear", align_corners=False)
        # the convolution of both together, as a sum: no copy that puts each image's channels side by side
        merged = _convolved(high, weights[f"merge{scale}.weight"]) + _convolved(skip, weights[f"merge{scale}.skip"])
        return _block(_normed(merged, weights, f"merge{scale}"), weights, f"mix{scale}")


def _initial(name: str, shape: tuple[int, ...], own: OwnNoise) -> Tensor:
    if name.startswith("last") or name.endswith("bias"):
        return torch.zeros(len(own), *shape)
    if name.endswith("gain"):
        return torch.ones(len(own), *shape)
    return own.uniform(*shape) / math.sqrt(math.prod(shape[1:]))


def _block(h: Tensor, weights: Mapping[str, Tensor], name: str, stride: int = 1) -> Tensor:
    return _normed(_convolved(h, weights[f"{name}.weight"], stride), weights, name)


def _convolved(h: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve ``(1, B num_in, H, W)``, or one common input ``(1, num_in, H, W)``, by B kernels."""
    groups = h.shape[1] // weight.shape[2]
    return F.conv2d(h, weight.flatten(0, 1), stride=stride, padding=weight.shape[-1] // 2, groups=groups)


def _normed(h: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    gain, bias = weights[f"{name}.gain"].flatten(), weights[f"{name}.bias"].flatten()
    # a batch of one whose channels are those of all images: each image's pixels alone
    return F.leaky_relu(F.batch_norm(h, None, None, gain, bias, training=True), SLOPE)
