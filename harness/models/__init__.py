"""Split networks: architectures, the cut and bottleneck that divide them, and the whole as an adversary meets it."""

import math
from collections.abc import Callable
from typing import get_args

import torch

from harness.models.architecture import Architecture, Head, Normalize
from harness.models.bottleneck import Bottleneck, parse
from harness.models.cut import ClientServer, activation_shape, divide
from harness.models.network import Network, Pictures
from harness.models.resnet import resnet20
from harness.models.split import SplitModel
from harness.models.target import LiveTarget
from harness.models.vgg import vgg11_bn_sgm

__all__ = [
    "MODELS",
    "ClientServer",
    "LiveTarget",
    "Network",
    "Pictures",
    "SplitModel",
    "activation_shape",
    "build_model",
]

MODELS: dict[str, Callable[..., Architecture]] = {
    "vgg11_bn_sgm": vgg11_bn_sgm,
    "resnet20": resnet20,
}

WITH_SCA = ("vgg11_bn_sgm",)
"""Networks whose sparse-coding layer is specified; the convolutional one of the public ResNet code is not."""


def build_model(network: Network, pictures: Pictures) -> ClientServer:
    """Return an untrained client and server; initial weights come from the global generator.

    Raises:
        ValueError: names the setting that cannot be had, its value and what there is.
    """
    name, cut, shape = network.name, network.cut, pictures.shape
    if name not in MODELS:
        raise ValueError(f"model/name: takes {sorted(MODELS)}, not {name!r}")
    if not (math.isfinite(network.width) and network.width > 0):
        raise ValueError(f"model/width: a multiplier is finite and above 0, not {network.width}")
    if network.head not in get_args(Head):
        raise ValueError(f"head: takes {sorted(get_args(Head))}, not {network.head!r}")
    mean, std = pictures.mean, pictures.std
    if not (len(mean) == len(std) == shape[0] and min(std) > 0):
        raise ValueError(f"mean, std: {shape[0]} numbers each, std above 0, not {list(mean)} and {list(std)}")
    bottleneck = _bottleneck(network)
    architecture = MODELS[name](
        image_shape=shape, num_classes=pictures.num_classes, width=network.width, head=network.head
    )
    if not 1 <= cut <= len(architecture.entries):
        raise ValueError(f"model/cut: {name} takes 1 to {len(architecture.entries)}, not {cut}")
    normalize = Normalize(torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32))
    return divide(architecture, normalize, shape, cut, bottleneck, network.sca)


def _bottleneck(network: Network) -> Bottleneck | None:
    """Return the bottleneck that a network names, refused if its sparse-coding layer cannot stand behind it."""
    parsed = parse(network.bottleneck)
    if network.sca and network.name not in WITH_SCA:
        raise ValueError(f"model/sca: true is for {sorted(WITH_SCA)}, not {network.name!r}; set it to false")
    if network.sca and parsed is None:
        raise ValueError(
            f"model/sca: true stands behind a bottleneck, not {network.bottleneck!r}; name one or set it to false"
        )
    return parsed
