"""VGG-11 with batch normalisation, as published results on split inference cut it.

References:
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    Xia et al., "Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems", 2025.
"""

from torch import nn

from harness.models.architecture import Architecture, Head, scaled

CONFIGURATION = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
"""Channels of a 3x3 convolution, or a 2x2 max-pooling. A cut counts both."""

REDUCTION = 32
"""Factor by which the entries together shrink height and width."""


def vgg11_bn_sgm(*, image_shape: tuple[int, int, int], num_classes: int, width: float, head: Head) -> Architecture:
    """Return the 13 entries and the classifier.

    Args:
        image_shape: ``(channels, height, width)``; sides of at least 32.
        num_classes: Number of logits.
        width: Multiplies the channel counts, the hidden units of the ``mlp`` head included.
        head: ``mlp`` has two hidden layers, each behind a dropout of 1/2; ``linear`` is a single layer.
    """
    channels, height, breadth = image_shape
    if min(height, breadth) < REDUCTION:
        raise ValueError(
            f"vgg11_bn_sgm takes images of at least {REDUCTION}x{REDUCTION} pixels, not {height}x{breadth}"
        )
    entries: list[nn.Module] = []
    for entry in CONFIGURATION:
        if isinstance(entry, str):
            entries.append(nn.MaxPool2d(2))
        else:
            out = scaled(entry, width)
            entries.append(_convolution(channels, out))
            channels = out
    features = channels * (height // REDUCTION) * (breadth // REDUCTION)
    classify = _mlp(features, channels, num_classes) if head == "mlp" else nn.Linear(features, num_classes)
    return Architecture(entries, nn.Sequential(nn.Flatten(), classify))


def _convolution(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _mlp(features: int, hidden: int, num_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.5),
        nn.Linear(features, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, num_classes),
    )
