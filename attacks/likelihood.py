"""How surprising a release is if the image were another one: the Gaussian case that most defenses share."""

import torch
from torch import Tensor

LEAST_STD = 1e-3
"""Standard deviation, in units of the activation, that stands in where a feature is released without any noise."""


def gaussian_surprise(z: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """Return ``sum_d (z_d - mean_d)^2 / (2 std_d^2) + log std_d``, nats up to a constant, ``(B,)``.

    Args:
        z: Releases, ``(B, C, H, W)``.
        mean: Their expectation, ``(B, C, H, W)``.
        std: Standard deviation of all noise, >= 0, a number or ``(B, C, H, W)``; raised to at least ``LEAST_STD``.
    """
    std = torch.as_tensor(std, dtype=z.dtype, device=z.device).clamp_min(LEAST_STD).expand_as(mean)
    return ((z - mean).square() / (2 * std.square()) + std.log()).flatten(1).sum(1)
