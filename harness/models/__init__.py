"""Split networks: architectures, the cut and bottleneck that divide them, and the whole as an adversary meets it."""

import math
from collections.abc import Callable, Sequence
from typing import get_args

import torch

from harness.models.architecture import Architecture, Head, Normalize
from harness.models.bottleneck import parse
from harness.models.cut import ClientServer, activation_shape, divide
from harness.models.resnet import resnet20
from harness.models.split import SplitModel
from harness.models.target import LiveTarget
from harness.models.vgg import vgg11_bn_sgm

__all__ = ["MODELS", "ClientServer", "LiveTarget", "SplitModel", "activation_shape", "build_model"]

MODELS: dict[str, Callable[..., Architecture]] = {
    "vgg11_bn_sgm": vgg11_bn_sgm,
    "resnet20": resnet20,
}

WITH_SCA = ("vgg11_bn_sgm",)
"""Networks whose sparse-coding layer is specified; the convolutional one of the public ResNet code is not."""


def build_model(
    name: str,
    *,
    cut: int = 4,
    bottleneck: str = "noRELU_C8S1",
    sca: bool = False,
    width: float = 1.0,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    num_classes: int,
    head: Head = "mlp",
    mean: Sequence[float],
    std: Sequence[float],
) -> ClientServer:
    """Return an untrained client and server; initial weights come from the global generator.

    Args:
        name: A key of ``MODELS``.
        cut: Number of the network's entries on the client; in VGG a pooling is an entry.
        bottleneck: ``None``, or such as ``noRELU_C8S1`` (see :func:`harness.models.bottleneck.parse`).
        sca: Whether a sparse-coding layer stands before the client's sigmoid.
        width: Multiplies the channel counts of the body, > 0; image and bottleneck channels stay.
        image_shape: ``(channels, height, width)``.
        num_classes: Number of logits, >= 1.
        head: VGG's classifier: ``mlp`` as published, or a single ``linear`` layer.
        mean: Mean of each image channel in [0, 1].
        std: Standard deviation of each image channel, > 0.
    """
    if name not in MODELS:
        raise ValueError(f"model/name: takes {sorted(MODELS)}, not {name!r}")
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"model/width: a multiplier is finite and above 0, not {width}")
    if head not in get_args(Head):
        raise ValueError(f"head: takes {sorted(get_args(Head))}, not {head!r}")
    if not (len(mean) == len(std) == image_shape[0] and min(std) > 0):
        raise ValueError(f"mean, std: {image_shape[0]} numbers each, std above 0, not {list(mean)} and {list(std)}")
    parsed = parse(bottleneck)
    if sca and name not in WITH_SCA:
        raise ValueError(f"model/sca: true is for {sorted(WITH_SCA)}, not {name!r}; set it to false")
    if sca and parsed is None:
        raise ValueError(f"model/sca: true stands behind a bottleneck, not {bottleneck!r}; name one or set it to false")
    architecture = MODELS[name](image_shape=image_shape, num_classes=num_classes, width=width, head=head)
    if not 1 <= cut <= len(architecture.entries):
        raise ValueError(f"model/cut: {name} takes 1 to {len(architecture.entries)}, not {cut}")
    normalize = Normalize(torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32))
    return divide(architecture, normalize, image_shape, cut, parsed, sca)
