"""The narrow pair of convolutions around the cut, and the option string that describes it.

References:
    Eshratifar et al., "BottleNet: A Deep Learning Architecture for Intelligent Mobile Cloud Computing Services", 2019.
    Li et al., "ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack in Split Federated
    Learning", 2022 (the option string).
"""

import re
from dataclasses import dataclass

from torch import nn

GRAMMAR = "'None', or [noRELU_]C<channels>[K<odd kernel>][S<stride, a power of two>] such as noRELU_C8S1"


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """What an option string says."""

    channels: int
    """Channels of the activation, >= 1."""
    kernel: int = 3
    """Side of the kernels, odd."""
    stride: int = 1
    """Factor by which height and width shrink, a power of two."""
    relu: bool = True
    """Whether a ReLU follows each convolution of the pair."""


def parse(text: str) -> Bottleneck | None:
    """Return what an option string such as ``noRELU_C8S1`` says, or None for ``None``.

    ``C``, ``K`` and ``S`` come in any order, each once at most; ``K`` is 3 and ``S`` is 1 unless given.
    """
    if text.lower() == "none":
        return None
    matched = re.fullmatch(r"(noRELU)?_?((?:[CKS][0-9]+)+)", text)
    pairs = re.findall(r"([CKS])([0-9]+)", matched[2]) if matched else []
    numbers = {letter: int(digits) for letter, digits in pairs}
    channels, kernel, stride = numbers.get("C", 0), numbers.get("K", 3), numbers.get("S", 1)
    valid = channels >= 1 and kernel % 2 == 1 and stride >= 1 and stride.bit_count() == 1
    if matched is None or len(numbers) < len(pairs) or not valid:
        raise ValueError(f"model/bottleneck: takes {GRAMMAR}, not {text!r}")
    return Bottleneck(channels=channels, kernel=kernel, stride=stride, relu=matched[1] is None)


def narrowing(bottleneck: Bottleneck, channels: int) -> list[nn.Module]:
    """Return the client's layers, ``(B, channels, H, W)`` to ``(B, bottleneck.channels, H / stride, W / stride)``.

    A stride above 1 is a chain of convolutions of stride 2, the first of which narrows.
    """
    num_halvings = bottleneck.stride.bit_length() - 1
    step, pad, narrow = min(bottleneck.stride, 2), bottleneck.kernel // 2, bottleneck.channels
    sizes = [(channels, narrow)] + [(narrow, narrow)] * (num_halvings - 1)
    convolutions = [nn.Conv2d(wide, out, bottleneck.kernel, stride=step, padding=pad) for wide, out in sizes]
    return _activated(bottleneck, convolutions)


def widening(bottleneck: Bottleneck, channels: int) -> list[nn.Module]:
    """Return the server's layers, which undo the shapes of :func:`narrowing`.

    A stride above 1 is a chain of transposed convolutions of stride 2, the last of which widens.
    """
    num_doublings = bottleneck.stride.bit_length() - 1
    kernel, pad, narrow = bottleneck.kernel, bottleneck.kernel // 2, bottleneck.channels
    if num_doublings == 0:
        return _activated(bottleneck, [nn.Conv2d(narrow, channels, kernel, padding=pad)])
    sizes = [(narrow, narrow)] * (num_doublings - 1) + [(narrow, channels)]
    convolutions = [
        nn.ConvTranspose2d(narrow, out, kernel, stride=2, padding=pad, output_padding=1) for narrow, out in sizes
    ]
    return _activated(bottleneck, convolutions)


def _activated(bottleneck: Bottleneck, convolutions: list[nn.Conv2d] | list[nn.ConvTranspose2d]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for convolution in convolutions:
        layers += [convolution, nn.ReLU(inplace=True)] if bottleneck.relu else [convolution]
    return layers
