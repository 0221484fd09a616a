"""A small network that draws an image from a vector: dense layers, then convolutions that double the size.

References:
    Radford, Metz, Chintala, Unsupervised representation learning with deep convolutional generative adversarial
    networks, 2016.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = 3
"""Times the size is doubled."""

HIDDEN = 256
"""Width of the first dense layer."""


class VectorNetwork(nn.Module):
    """Maps vectors to images in [0, 1]; untrained, every image is the given mean image.

    Args:
        num_inputs: Length of a vector, >= 1.
        mean: Mean image in [0, 1], ``(1, 3, height, width)``.
        channels: Width of the convolutions, >= 1.
    """

    def __init__(self, num_inputs: int, mean: Tensor, channels: int) -> None:
        super().__init__()
        self.size = (mean.shape[2], mean.shape[3])
        self.grid = (-(-mean.shape[2] // 2**STAGES), -(-mean.shape[3] // 2**STAGES))
        self.dense = nn.Sequential(
            nn.Linear(num_inputs, HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, channels * self.grid[0] * self.grid[1]),
            nn.LeakyReLU(0.2),
        )
        self.drawing = nn.Sequential(*(layer for _ in range(STAGES) for layer in _stage(channels)))
        self.last = nn.Conv2d(channels, mean.shape[1], 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # a convolution with a bias has one
        self.offset = nn.Parameter(torch.logit(mean.detach().clone(), eps=1e-2))

    def forward(self, vector: Tensor) -> Tensor:
        """Return images ``(B, 3, height, width)``, float32, from vectors ``(B, num_inputs)``."""
        h = self.dense(vector).unflatten(1, (-1, *self.grid)).contiguous(memory_format=torch.channels_last)
        logits = self.last(self.drawing(h)).float()
        if logits.shape[2:] != self.size:
            logits = F.interpolate(logits, self.size, mode="bilinear", align_corners=False)
        return torch.sigmoid(logits + self.offset)


def _stage(channels: int) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.2)]
