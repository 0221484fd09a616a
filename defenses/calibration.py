"""Noise in the unit of what a client's Jacobian makes of an image, measured once an epoch.

References:
    FSInfo / FSInfoGuard, arXiv 2504.10016, 2025 (Fisher-approximated Shannon information).
    InfoDecom, AAAI 2026 (its formula of the noise).
"""

import math

import torch
from torch import Tensor, nn

from defenses.base import Batch
from defenses.sensitivity import log_volumes

NEVER = -1
"""In place of an epoch: nothing is measured."""
OLD = 0.5
"""Share of the volume before that a further measurement keeps."""


class Calibration(nn.Module):
    """The client's log-volume ``1/2k log det(J J')`` in nats a feature, J its Jacobian, ``(k, pixels)``."""

    log_volume: Tensor
    """The mean over images, then over epochs by halves, ``()``."""
    epoch: Tensor
    """Of the last measurement, ``()``, int64; ``NEVER`` before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("log_volume", torch.zeros(()))
        self.register_buffer("epoch", torch.tensor(NEVER))

    def see(self, batch: Batch, images: int) -> None:
        """Measure the client by a batch's first images, if its epoch has not been measured yet."""
        if int(self.epoch) == batch.epoch:
            return
        found = log_volumes(batch.client, batch.x[:images]).mean()
        known = self.epoch > NEVER
        self.log_volume.copy_(torch.where(known, OLD * self.log_volume + (1 - OLD) * found, found))
        self.epoch.fill_(batch.epoch)

    def deviation(self, scale: float) -> Tensor:
        """Return ``scale exp(log_volume) / sqrt(2 pi e)``, ``()``: 0 before anything is measured."""
        known: Tensor = self.epoch > NEVER
        return known * scale * self.log_volume.exp() / math.sqrt(2 * math.pi * math.e)
