"""Cuts an architecture into a client and a server with a bottleneck between them.

References:
    Xia et al., "Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems", 2025.
"""

import copy
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from harness.models.bottleneck import Bottleneck, narrowing, widening
from harness.models.lca import LCA


class ClientServer(NamedTuple):
    """The two halves of a split network."""

    client: nn.Sequential
    """Maps images in [0, 1], ``(B, 3, height, width)``, to the activation, ``(B, C, H, W)`` in (0, 1)."""
    server: nn.Sequential
    """Maps an activation to logits, ``(B, num_classes)``; its last layer is the classifier."""


def join(
    client: list[nn.Module],
    server: list[nn.Module],
    image_shape: tuple[int, int, int],
    cut: int,
    bottleneck: Bottleneck | None,
    sca: bool,
) -> ClientServer:
    """Return the halves with a bottleneck between them; the client ends in a sigmoid.

    Args:
        client: Its layers so far, of which the first normalises.
        server: Its layers.
        image_shape: ``(channels, height, width)``.
        cut: Where the network was divided, for messages.
        bottleneck: What is put between; null for nothing.
        sca: Whether a sparse-coding layer follows the bottleneck.
    """
    channels, height, width = activation_shape(nn.Sequential(*client), image_shape)
    if bottleneck is not None:
        stride = bottleneck.stride
        if height % stride or width % stride:
            raise ValueError(f"model/bottleneck: S{stride} must divide the {height}x{width} activation at cut {cut}")
        client = [*client, *narrowing(bottleneck, channels)]
        server = [*widening(bottleneck, channels), *server]
        if sca:
            client.append(LCA((bottleneck.channels, height // stride, width // stride)))
    return ClientServer(nn.Sequential(*client, nn.Sigmoid()), nn.Sequential(*server))


def activation_shape(client: nn.Module, image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return ``(C, H, W)`` of the client's activation, by one image in eval mode; leave its state as it was.

    One without values is given zeros here: PyTorch's tensors without values take a second to get ready.
    """
    if next(client.parameters()).is_meta:
        with torch.device("cpu"):
            return activation_shape(_of_zeros(client), image_shape)
    training = {module: module.training for module in client.modules()}
    parameter = next(client.parameters())
    client.eval()
    try:
        with torch.no_grad():
            z = client(torch.zeros(1, *image_shape, dtype=parameter.dtype, device=parameter.device))
    finally:
        for module, mode in training.items():
            module.training = mode
    if z.dim() != 4 or len(z) != 1:
        raise ValueError(f"model: the client maps an image to {tuple(z.shape)}, not to an activation (1, C, H, W)")
    _, channels, height, width = z.shape
    return channels, height, width


def _of_zeros(module: nn.Module) -> nn.Module:
    """Return a copy of a module without values, on the CPU and all zeros."""
    copied = copy.deepcopy(module).to_empty(device="cpu")
    for tensor in itertools.chain(copied.parameters(), copied.buffers()):
        tensor.detach().zero_()
    return copied


def initialise(client: nn.Module) -> None:
    """Draw a client's convolutions Xavier-uniform, with zero biases."""
    for module in client.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
