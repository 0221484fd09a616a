"""A defended split network: what the device computes and releases, and what the server makes of it."""

import math

import torch
from torch import Tensor, nn

from defenses.base import Defense


class SplitModel(nn.Module):
    """A client, a defense and a server. Client and server run under the caller's autocast, the defense in float32."""

    client: nn.Module
    server: nn.Module
    defense: Defense
    sigma: float
    term: Defense | None

    def __init__(
        self, client: nn.Module, server: nn.Module, defense: Defense, sigma: float, term: Defense | None = None
    ) -> None:
        """Join the parts.

        Args:
            client: Maps images in [0, 1] to activations.
            server: Maps releases to logits.
            defense: What is done to the activation; attached already.
            sigma: Standard deviation of the channel noise, >= 0.
            term: A second defense of which only the penalty is used.
        """
        super().__init__()
        if not (math.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"model/sigma: a standard deviation is finite and at least 0, not {sigma}")
        self.client, self.server, self.defense = client, server, defense
        self.sigma, self.term = sigma, term

    def release(self, x: Tensor) -> Tensor:
        """Return what leaves the device: the defended activation with channel noise, ``(B, C, H, W)``, float32.

        Args:
            x: Images in [0, 1], ``(B, 3, height, width)``.
        """
        return self.noised(self.client(x))

    def noised(self, z: Tensor) -> Tensor:
        """Return the release of an activation ``(B, C, H, W)``, in float32 under any autocast."""
        with torch.autocast(z.device.type, enabled=False):
            z = self.defense(z.float())
            return z + self.sigma * torch.randn_like(z)

    def forward(self, x: Tensor) -> Tensor:
        """Return the server's logits of a release, ``(B, num_classes)``."""
        logits: Tensor = self.server(self.release(x))
        return logits
