"""A network before it is cut: its entries in order, and the classifier behind them."""

from typing import Literal, NamedTuple

from torch import Tensor, nn

Head = Literal["mlp", "linear"]


class Architecture(NamedTuple):
    """What an architecture's builder returns."""

    entries: list[nn.Module]
    """In order; a cut of c leaves the first c of them to the client. Each maps ``(B, C, H, W)`` to ``(B, C', H', W')``.
    """
    classifier: nn.Module
    """Maps the last entry's output to logits, ``(B, num_classes)``."""


class Normalize(nn.Module):
    """The client's first layer: brings images in [0, 1] to zero mean and unit deviation per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        """Keep the statistics as buffers.

        Args:
            mean: Mean of each image channel, ``(channels,)``.
            std: Standard deviation of each image channel, ``(channels,)``, > 0.
        """
        super().__init__()
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(x - mean) / std`` of images ``(B, channels, height, width)``."""
        return (x - self.mean) / self.std


def scaled(channels: int, width: float) -> int:
    """Return a channel count times the width multiplier, rounded, at least 1."""
    return max(1, round(channels * width))
