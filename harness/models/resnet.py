"""ResNet-20 as published results on split inference widen and cut it.

References:
    He et al., "Deep Residual Learning for Image Recognition", 2016 (section 4.2, shortcut A).
    Xia et al., "Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems", 2025.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.architecture import Architecture, Head, scaled

STEM = 16
"""Channels of the stem's 5x5 convolution."""

STAGES = (32, 64, 128)
"""Channels of each stage; its first block halves height and width."""

BLOCKS = 3
"""Blocks of a stage."""


def resnet20(*, image_shape: tuple[int, int, int], num_classes: int, width: float, head: Head) -> Architecture:
    """Return the 10 entries (stem and 9 blocks) and the classifier.

    Args:
        image_shape: ``(channels, height, width)``.
        num_classes: Number of logits.
        width: Multiplies the channel counts.
        head: Either value gives global average pooling and a single linear layer.
    """
    channels = scaled(STEM, width)
    stem = nn.Conv2d(image_shape[0], channels, 5, padding=2, bias=False)
    entries: list[nn.Module] = [nn.Sequential(stem, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))]
    for stage in STAGES:
        for block in range(BLOCKS):
            out = scaled(stage, width)
            entries.append(BasicBlock(channels, out, stride=2 if block == 0 else 1))
            channels = out
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    return Architecture(entries, pooled)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters: every second pixel, new channels zero."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        """Build the two convolutions; the first has the stride."""
        super().__init__()
        self.stride = stride
        self.added = out - channels
        self.residual = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, out, ceil(H / stride), ceil(W / stride))``."""
        before = self.added // 2
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added - before))
        return F.relu(self.residual(x) + shortcut)
