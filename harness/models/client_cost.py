"""What a device computes for an image, and what it stores: channels that are pruned cost nothing."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from defenses import pruning


class ClientCost(NamedTuple):
    """Of a client."""

    multiplications: int
    """Multiply-adds of its convolutions and linear layers for one image."""
    parameters: int


class _Counter(TorchFunctionMode):
    """Counts multiply-adds, whatever module they are of."""

    def __init__(self) -> None:
        super().__init__()
        self.multiplications = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        if function in (torch.conv2d, nn.functional.linear, torch.conv_transpose2d):
            given = dict(zip(("input", "weight"), args, strict=False)) | (kwargs or {})
            places = given["input"] if function is torch.conv_transpose2d else output
            self.multiplications += places.numel() * given["weight"][0].numel()
        return output


class _Saved(NamedTuple):
    """Of one layer."""

    multiplications: int
    parameters: int


@torch.no_grad()
def client_cost(client: nn.Module, image_shape: tuple[int, int, int]) -> ClientCost:
    """Return what a client costs a device; of a layer whose norm masks channels, what is left without them.

    Args:
        client: It is left as it was.
        image_shape: ``(channels, height, width)``.
    """
    own = copy.deepcopy(client).cpu().float().eval()
    x = torch.ones(1, *image_shape)
    with _Counter() as counter:
        own(x)
    saved = _saved(own, x)
    soft = sum(value.numel() for name, value in own.named_parameters() if name.split(".")[-1] == pruning.SOFT)
    return ClientCost(
        counter.multiplications - sum(layer.multiplications for layer in saved),
        sum(value.numel() for value in own.parameters()) - soft - sum(layer.parameters for layer in saved),
    )


def _saved(client: nn.Module, x: Tensor) -> list[_Saved]:
    """Return what its convolutions and norms save by masks; all weights become positive, so that 0 is what is pruned.

    Args:
        client: A client that may be spoilt.
        x: An image of ones, which its normalisation leaves positive.
    """
    if not pruning.layers(client):
        return []
    found: dict[nn.Module, _Saved] = {}
    last: list[tuple[nn.Conv2d, int, int, int]] = []

    def convolved(layer: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        seen = int((given[0] != 0).flatten(2).any(2).sum()) if layer.groups == 1 else layer.in_channels
        last[:] = [(layer, seen, output.shape[2] * output.shape[3], layer.out_channels)]
        found[layer] = _layer(*last[0])

    def normed(layer: nn.Module, _given: Any, _output: Any) -> None:
        if last and hasattr(layer, pruning.MASK):
            conv, seen, places, _ = last[0]
            left = int(layer.get_buffer(pruning.MASK).sum())
            found[conv] = _layer(conv, seen, places, left)
            found[layer] = _Saved(0, 2 * (conv.out_channels - left))

    for layer in client.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.fill_(1 / layer.weight[0].numel())
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(convolved)
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            nn.init.ones_(layer.bias)
            layer.register_forward_hook(normed)
    client(x)
    return [*found.values()]


def _layer(conv: nn.Conv2d, seen: int, places: int, left: int) -> _Saved:
    """Return what a convolution saves that sees so many channels and leaves so many."""
    kernel = conv.weight[0, 0].numel() * (1 if conv.groups == 1 else conv.weight.shape[1])
    inward = conv.in_channels if conv.groups == 1 else 1
    seen = seen if conv.groups == 1 else 1
    weights = kernel * (inward * conv.out_channels - seen * left)
    biases = 0 if conv.bias is None else conv.out_channels - left
    return _Saved(places * weights, weights + biases)
