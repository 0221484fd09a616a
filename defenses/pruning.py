"""Structured pruning of a client's channels as masks behind its batch norms.

References:
    Li, Kadav, Durdanovic, Samet, Graf, Pruning Filters for Efficient ConvNets, 2017.
    Molchanov, Mallya, Tyree, Frosio, Kautz, Importance Estimation for Neural Network Pruning, 2019 (the Taylor
    criterion).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from defenses.base import Shapes
from defenses.sensitivity import deployed

MASK = "channel_mask"
SOFT = "soft_mask"


def register(client: nn.Module, shapes: Shapes, more_than: int = 0, soft: bool = False) -> None:
    """Give the client's batch norms a mask buffer ``channel_mask``, ``(channels,)``, all ones, which they multiply by.

    A channel that is zero behind its norm is as good as removed. A last norm with the activation's own channels is left
    alone: what is released keeps its shape.

    Args:
        client: The client; one without batch norms is left as it is.
        shapes: Its sizes.
        more_than: Layers of at most this many channels are left alone, >= 0.
        soft: Whether they also multiply by a parameter ``soft_mask``, ``(channels,)``, that is trained with the client.
    """
    norms = [module for module in client.modules() if isinstance(module, nn.BatchNorm2d)]
    if norms and norms[-1].num_features == shapes.activation[0]:
        norms.pop()
    for norm in norms:
        if norm.num_features > more_than and not hasattr(norm, MASK):
            norm.register_buffer(MASK, torch.ones(norm.num_features))
            if soft:
                norm.register_parameter(SOFT, nn.Parameter(torch.ones(norm.num_features)))
            norm.register_forward_hook(_masked)


def layers(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Return the masked layers by their path in a model."""
    named = model.named_modules()
    return {path: module for path, module in named if isinstance(module, nn.BatchNorm2d) and hasattr(module, MASK)}


def prune(layer: nn.BatchNorm2d, importance: Tensor, count: int) -> None:
    """Mask the least important channels until ``count`` are masked; what is masked already stays so.

    Args:
        layer: A masked layer.
        importance: Of its channels, ``(channels,)``, >= 0.
        count: Channels to be masked in all; at least one is kept.
    """
    mask = layer.get_buffer(MASK)
    ranked = torch.where(mask > 0, importance, -1.0)
    mask[ranked.argsort()[: min(count, len(mask) - 1)]] = 0


def scale_importance(layer: nn.BatchNorm2d) -> Tensor:
    """Return the magnitude of a norm's scales, times that of its soft mask if it has one, ``(channels,)``."""
    return (layer.weight * getattr(layer, SOFT, 1.0)).detach().abs()


def taylor_importance(client: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return by layer how much the sum of the output would change without each channel, to first order.

    Args:
        client: A client with masks.
        x: Images, ``(B, 3, height, width)``.
    """
    masks = {path: layer.get_buffer(MASK).clone().requires_grad_() for path, layer in layers(client).items()}
    if not masks:
        return {}
    with torch.enable_grad(), deployed(client):
        output = functional_call(client, {f"{path}.{MASK}": mask for path, mask in masks.items()}, (x,))
        gradients = torch.autograd.grad(output.sum(), list(masks.values()))
    return {path: gradient.abs() for path, gradient in zip(masks, gradients, strict=True)}


def _masked(layer: nn.Module, _: Any, output: Tensor) -> Tensor:
    mask = layer.get_buffer(MASK) * getattr(layer, SOFT, 1.0)
    return output * mask.view(1, -1, 1, 1)
