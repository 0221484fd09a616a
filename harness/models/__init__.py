"""Split networks: architectures, the cut and bottleneck that divide them, and the whole as an adversary meets it."""

import math
from collections.abc import Callable
from typing import get_args

import torch
from torch import nn

from harness import plugins
from harness.models.architecture import Architecture, Head, Normalize
from harness.models.bottleneck import Bottleneck, parse
from harness.models.client_cost import ClientCost, client_cost
from harness.models.cut import ClientServer, activation_shape, initialise, join
from harness.models.network import Network, Pictures
from harness.models.own import Body, Halves, halves_of
from harness.models.resnet import resnet20
from harness.models.split import SplitModel
from harness.models.target import LiveTarget
from harness.models.vgg import vgg11_bn_sgm

__all__ = [
    "MODELS",
    "Body",
    "ClientCost",
    "ClientServer",
    "Halves",
    "LiveTarget",
    "Network",
    "Pictures",
    "SplitModel",
    "activation_shape",
    "build_model",
    "client_cost",
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
    shape = pictures.shape
    if not (math.isfinite(network.width) and network.width > 0):
        raise ValueError(f"model/width: a multiplier is finite and above 0, not {network.width}")
    if network.head not in get_args(Head):
        raise ValueError(f"head: takes {sorted(get_args(Head))}, not {network.head!r}")
    mean, std = pictures.mean, pictures.std
    if not (len(mean) == len(std) == shape[0] and min(std) > 0):
        raise ValueError(f"mean, std: {shape[0]} numbers each, std above 0, not {list(mean)} and {list(std)}")
    bottleneck = _bottleneck(network)
    client, server = _divided(network, pictures)
    normalize = Normalize(torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32))
    halves = join([normalize, *client], server, shape, network.cut, bottleneck, network.sca)
    # layers of one's own keep the weights that they come with
    for module in halves.client if network.name in MODELS else halves.client[1 + len(client) :]:
        initialise(module)
    return halves


def _divided(network: Network, pictures: Pictures) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return a network's layers on the client and those on the server."""
    if network.name not in MODELS:
        if not plugins.is_plugin(network.name, plugins.MODELS):
            raise ValueError(f"model/name: takes {sorted(MODELS)} or package.module:Class, not {network.name!r}")
        if network.width != 1:
            raise ValueError(
                f"model/width: {network.width}: is for {sorted(MODELS)}; {network.name} has settings of its own"
            )
        own = halves_of(network.name, network.own, network.cut, pictures)
        return [own.client], [own.server]
    architecture = MODELS[network.name](
        image_shape=pictures.shape, num_classes=pictures.num_classes, width=network.width, head=network.head
    )
    cut, most = network.cut, len(architecture.entries)
    if not 1 <= cut <= most:
        raise ValueError(f"model/cut: {network.name} takes 1 to {most}, not {cut}")
    return architecture.entries[:cut], [*architecture.entries[cut:], architecture.classifier]


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
