"""A simulated adversary: one forward pass that trains the network, one that the client is trained against.

References:
    Li, Rakin, Chen, He, Fan, Chakrabarti, ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack
    in Split Federated Learning, CVPR 2022.
"""

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.func import functional_call

from attacks import metrics

LEARNING_RATE = 1e-3
"""Of the adversary's Adam, as in the public code."""


class Duel(NamedTuple):
    """One network's reconstructions of one batch, twice: images in [0, 1], ``(B, 3, height, width)``."""

    against: Tensor
    """Its gradient reaches the release, and not the network."""
    learning: Tensor
    """Its gradient reaches the network, and not the release."""


def duel(network: nn.Module, z: Tensor) -> Duel:
    """Reconstruct a batch for both sides; running statistics move once.

    Args:
        network: Maps releases to images.
        z: What the adversary sees, ``(B, C, H, W)``.
    """
    frozen = {name: parameter.detach() for name, parameter in network.named_parameters()}
    frozen |= {name: buffer.clone() for name, buffer in network.named_buffers()}
    return Duel(against=functional_call(network, frozen, (z,)), learning=network(z.detach()))


def similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the mean SSIM of images ``(B, 3, height, width)`` in [0, 1], at least 11 pixels high and wide, ``()``."""
    return metrics.score(x_hat, x).ssim.mean()


def trained_by(loss: Tensor) -> Tensor:
    """Return a zero, ``()``, whose gradient is the loss's: it trains the adversary and leaves the penalty's value."""
    return loss - loss.detach()


def adam(network: nn.Module) -> list[dict[str, Any]]:
    """Return the optimiser group of an adversary."""
    return [{"params": list(network.parameters()), "optimiser": "adam", "lr": LEARNING_RATE}]
