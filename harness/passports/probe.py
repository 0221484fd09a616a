"""What a network makes of a fixed batch of images: told in its passport, and compared before it is attacked elsewhere.

The images are noise of a fixed seed, the same on every machine, so that no data set is needed to compare.
"""

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from harness.data import to_float
from harness.data.attacker import noise
from harness.models import SplitModel

IMAGES = 8
"""Of the batch."""

OFF = 1e-3
"""Difference of two values, over their spread, up to which they are the same on two machines."""

SHARE = 0.01
"""Of all values, those that may be further off: beside an edge of a rounding defense the last bit decides."""


@torch.no_grad()
def activations(model: SplitModel, image_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Return what a network makes of the batch, in float32 and without noise: ``client``, and ``release``, what is
    expected to be released of it, ``(8, C, H, W)`` each, on the CPU.
    """
    device = next(model.client.parameters()).device
    x = to_float(noise(IMAGES, image_shape).to(device))
    z = model.eval().client(x).float()
    return {name: found.float().cpu().contiguous() for name, found in (("client", z), ("release", _mean(model, z)))}


def told(model: SplitModel, image_shape: tuple[int, int, int]) -> bytes:
    """Return the activations of the batch as safetensors."""
    written: bytes = save(activations(model, image_shape))
    return written


def compare(model: SplitModel, image_shape: tuple[int, int, int], written: bytes) -> None:
    """Refuse a network that does not make of the batch what its passport says.

    Raises:
        ValueError: says what differs, and how much of it.
    """
    here = activations(model, image_shape)
    try:
        there: dict[str, Tensor] = load(written)
    except (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise ValueError(f"the activations of its probe cannot be read: {error}") from error
    for name, own in here.items():
        other = there.get(name)
        if other is None or other.shape != own.shape:
            shape = "missing" if other is None else f"{tuple(other.shape)}, here {tuple(own.shape)}"
            raise ValueError(f"the activations of its probe, {name}: {shape}")
        off = float(((own - other.float()).abs() <= OFF * own.std() + 1e-6).logical_not().float().mean())
        if off > SHARE:
            raise ValueError(f"the activations of its probe, {name}: {off:.0%} of the values are others here")


def _mean(model: SplitModel, z: Tensor) -> Tensor:
    found: Tensor = model.defense.mean(z)
    return found
