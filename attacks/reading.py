"""What a strong inverse network reads of a release: standardised values, the predicted label, and the noise."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Target
from attacks.fitting import channel_statistics
from attacks.likelihood import effective_sigma

HIDDEN = 3.0
"""Absolute value of a feature in standard deviations of the channel noise, below which it may be a hidden one."""


class Read(NamedTuple):
    """Releases as a network reads them."""

    z: Tensor
    """Standardised, with whatever further channels the defense calls for, ``(B, C', H, W)``."""
    probabilities: Tensor
    """Of the classes, as the server predicts them, ``(B, num_classes)``."""
    log_sigma: Tensor
    """Logarithm of the channel noise's standard deviation over the features' own, ``(B, 1)``."""


class Reader:
    """Reads releases, by statistics of the attacker's own.

    A defense with ``masks`` adds a channel for each of z's: 1 where the value is small enough to be a hidden one. One
    with noise of its own on each feature adds the logarithm of its total standard deviation instead.

    Args:
        target: The network under attack.
        z: Releases of the attacker's images, ``(N, C, H, W)``.
    """

    def __init__(self, target: Target, z: Tensor) -> None:
        self.target = target
        self.mean, self.deviation = channel_statistics(self._channels(z))

    def of(self, target: Target) -> "Reader":
        """Return one that reads the same features behind other noise, by the same statistics."""
        other = copy.copy(self)
        other.target = target
        return other

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Read:
        """Read releases ``(B, C, H, W)``."""
        log_sigma = (
            torch.tensor(effective_sigma(self.target) / self.target.spread, device=z.device).log().expand(len(z), 1)
        )
        probabilities = self.target.server(z).softmax(dim=1)
        standard = (self._channels(z) - self.mean) / self.deviation
        return Read(standard.contiguous(memory_format=torch.channels_last), probabilities, log_sigma)

    @torch.no_grad()
    def _channels(self, z: Tensor) -> Tensor:
        least = effective_sigma(self.target)
        if getattr(self.target.defense, "masks", False):
            return torch.cat([z, (z.abs() < HIDDEN * least).to(z.dtype)], dim=1)
        own = torch.as_tensor(self.target.noise_std(z), dtype=z.dtype, device=z.device)
        if own.ndim == 0:
            return z
        return torch.cat([z, (own.square() + least**2).sqrt().log().expand_as(z)], dim=1)
