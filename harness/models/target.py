"""The trained network as its adversary meets it."""

import torch
from torch import Tensor, nn

from attacks.precision import autocast
from harness.models.cut import activation_shape
from harness.models.split import SplitModel


class LiveTarget:
    """A target (:class:`attacks.base.Target`) over a split network, which is put into eval mode.

    Only client and server run under autocast; every tensor that comes back is float32.
    """

    def __init__(
        self, model: SplitModel, image_shape: tuple[int, int, int], num_classes: int, precision: torch.dtype
    ) -> None:
        """Wrap a network.

        Args:
            model: The trained network.
            image_shape: ``(channels, height, width)`` of an image.
            num_classes: Number of logits.
            precision: What autocast uses: ``torch.bfloat16`` or ``torch.float32``.
        """
        self.model = model.eval()
        self.sigma = model.sigma
        self.defense = model.defense
        self.image_shape = image_shape
        self.activation_shape = activation_shape(model.client, image_shape)
        self.num_classes = num_classes
        self.precision = precision

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release."""
        return self.defense.mean(self._activation(x))

    @torch.no_grad()
    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases; the client runs once."""
        if m < 1:
            raise ValueError(f"release: m is at least 1, not {m}")
        z = self._activation(x)
        if m == 1:
            return self.model.noised(z)
        return self.model.noised(z.repeat(m, 1, 1, 1)).view(m, *z.shape)

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of the noise that the defense itself adds."""
        return self.defense.noise_std(z)

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases if the images were x."""
        return self.defense.surprise(z, self._activation(x), self.sigma)

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server."""
        return self.model.client, self.model.server

    def server(self, z: Tensor) -> Tensor:
        """Return logits."""
        with autocast(z.device, self.precision):
            logits: Tensor = self.model.server(z)
        return logits.float()

    def _activation(self, x: Tensor) -> Tensor:
        with autocast(x.device, self.precision):
            z: Tensor = self.model.client(x)
        return z.float()
