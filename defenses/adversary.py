"""A simulated adversary: one forward pass that trains the network, one that the client is trained against.

References:
    Li, Rakin, Chen, He, Fan, Chakrabarti, ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack
    in Split Federated Learning, CVPR 2022.
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from attacks import metrics

LEARNING_RATE = 1e-3
"""Of the adversary's Adam, as in the public code."""
COURSES = ("constant", "cosine")
WINDOW, DEVIATION = 11, 1.5
"""Pixels of an SSIM window and the deviation of its Gaussian."""
C1, C2 = 0.01**2, 0.03**2


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


def published_similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the mean SSIM over all windows of the zero-padded images, ``()``: as the public codes' hinges take it.

    Windows across the border are alike in any two images, so that it is the larger one: .49 where ``similarity`` is
    .28.
    """
    return ssim_map(x_hat, x).mean()


def ssim_map(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the SSIM of every window of the zero-padded images, of their shape."""
    offsets = torch.arange(WINDOW, device=x.device, dtype=x.dtype) - WINDOW // 2
    weight = torch.exp(-offsets.square() / (2 * DEVIATION**2))
    kernel = (weight / weight.sum()).expand(3, 1, 1, -1)

    def blur(images: Tensor) -> Tensor:
        rows = F.conv2d(images, kernel, padding=(0, WINDOW // 2), groups=3)
        return F.conv2d(rows, kernel.mT, padding=(WINDOW // 2, 0), groups=3)

    m, n = blur(x_hat), blur(x)
    covariance = blur(x_hat * x) - m * n
    variances = blur(x_hat.square()) - m.square() + blur(x.square()) - n.square()
    luminance = (2 * m * n + C1) / (m.square() + n.square() + C1)
    return luminance * (2 * covariance + C2) / (variances + C2)


def trained_by(loss: Tensor) -> Tensor:
    """Return a zero, ``()``, whose gradient is the loss's: it trains the adversary and leaves the penalty's value."""
    return loss - loss.detach()


def adam(network: nn.Module, course: str = "constant") -> list[dict[str, Any]]:
    """Return the optimiser group of an adversary, its learning rate on a course of ``COURSES``."""
    group = {"params": list(network.parameters()), "optimiser": "adam", "lr": LEARNING_RATE}
    return [group | {"course": course, "peak": LEARNING_RATE} if course != "constant" else group]


def begin_anew(network: nn.Module) -> None:
    """Draw a network's parameters again, from the global RNG; running statistics start again too."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            module.reset_parameters()
