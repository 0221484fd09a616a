"""The published inverse network of split inference: residual blocks at the activation's size, then upsampling.

References:
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
    Li, Rakin, Chen, He, Fan, Chakrabarti, ResSFL: a resistance transfer framework for defending model inversion attack
    in split federated learning, 2022.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResBlock(nn.Module):
    """Pre-activation residual block: twice batch norm, ReLU and a 3x3 convolution, beside a shortcut."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(num_in),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_in, num_out, 3, padding=1),
            nn.BatchNorm2d(num_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_out, num_out, 3, padding=1),
        )
        same = num_in == num_out
        projection = nn.Sequential(nn.Conv2d(num_in, num_out, 1, bias=False), nn.BatchNorm2d(num_out))
        self.shortcut = nn.Identity() if same else projection

    def forward(self, h: Tensor) -> Tensor:
        """Map ``(B, num_in, H, W)`` to ``(B, num_out, H, W)``."""
        return torch.add(self.residual(h), self.shortcut(h))


class InverseNetwork(nn.Module):
    """``res_normN<blocks>C<channels>``: maps releases to images in [0, 1].

    Args:
        activation: ``(C, H, W)`` of a release.
        image: ``(3, height, width)`` of an image, height >= H, width >= W.
        blocks: Residual blocks between the first and the upsampling, >= 0.
        channels: Width of the network, >= 1.
    """

    def __init__(self, activation: tuple[int, int, int], image: tuple[int, int, int], blocks: int, channels: int):
        super().__init__()
        self.size = image[1:]
        self.body = nn.Sequential(
            ResBlock(activation[0], channels),
            nn.ReLU(inplace=True),
            *(layer for _ in range(blocks) for layer in (ResBlock(channels, channels), nn.ReLU(inplace=True))),
            *(layer for doubles in _doublings(activation, image) for layer in _stage(channels, doubles)),
            ResBlock(channels, image[0]),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return images ``(B, 3, height, width)``, float32 in [0, 1], from releases ``(B, C, H, W)``."""
        logits = self.body(z.contiguous(memory_format=torch.channels_last)).float()
        if logits.shape[2:] != self.size:
            logits = F.interpolate(logits, self.size, mode="bilinear", align_corners=False)
        return torch.sigmoid(logits)


def _doublings(activation: tuple[int, int, int], image: tuple[int, int, int]) -> list[bool]:
    """Return which upsampling stages double the size: the published network has at least two stages."""
    ratio = min(image[1] // activation[1], image[2] // activation[2])
    if ratio < 1:
        raise ValueError(f"an inverse network needs images {image} no smaller than activations {activation}")
    doublings = int(math.log2(ratio))
    return [stage < doublings for stage in range(max(2, doublings))]


def _stage(channels: int, doubles: bool) -> list[nn.Module]:
    if not doubles:
        return [ResBlock(channels, channels), nn.ReLU(inplace=True)]
    upsample = nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1)
    return [upsample, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
