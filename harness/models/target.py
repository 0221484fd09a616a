"""The trained network as its adversary meets it."""

import torch
from torch import Tensor, nn

from attacks.likelihood import effective_sigma
from attacks.precision import autocast
from harness.models.cut import activation_shape
from harness.models.split import SplitModel


class LiveTarget:
    """A target (:class:`attacks.base.Target`) over a split network, which is put into eval mode.

    Only client and server run under autocast; every tensor that comes back is float32.

    :meth:`differentiated` is the same network for whoever differentiates it: exact in float32, but for the releases,
    which are the device's own, and for a likelihood that knows how far these are off.
    """

    def __init__(
        self,
        model: SplitModel,
        image_shape: tuple[int, int, int],
        num_classes: int,
        precision: torch.dtype,
        shown: Tensor | None = None,
        *,
        mirrors: bool = False,
    ) -> None:
        """Wrap a network.

        Args:
            model: The trained network.
            image_shape: ``(channels, height, width)`` of an image.
            num_classes: Number of logits.
            precision: What autocast uses: ``torch.bfloat16`` or ``torch.float32``.
            shown: Images of the attacker's that spread and extent of the features are measured on, in [0, 1],
                ``(N, 3, height, width)``; without any they are taken for 1, and for 0 to 1.
            mirrors: Whether a mirrored image is as likely as the image.
        """
        self.model = model.eval()
        self.sigma = model.sigma
        self.defense = model.defense
        self.image_shape = image_shape
        self.activation_shape = activation_shape(model.client, image_shape)
        self.num_classes = num_classes
        self.precision, self.networks, self.mirrors = precision, precision, mirrors
        self.spread, self.extent = (1.0, (0.0, 1.0)) if shown is None else self._measured(shown)
        self._shown, self._device, self._rounding = shown, self, 0.0

    def differentiated(self) -> "LiveTarget":
        """Return the network in float32, of which everything is exact but what it releases; itself if it is so."""
        if self.precision == torch.float32:
            return self
        exact = LiveTarget(
            self.model, self.image_shape, self.num_classes, torch.float32, self._shown, mirrors=self.mirrors
        )
        exact._device, exact.networks = self, self.networks
        if self._shown is not None:
            with torch.no_grad():
                off = self.activation(self._shown) - exact.activation(self._shown)
            exact._rounding = float(off.square().mean().sqrt())
        return exact

    def activation(self, x: Tensor) -> Tensor:
        """Return what the client makes of images, before the defense, ``(B, C, H, W)``."""
        with autocast(x.device, self.precision):
            z: Tensor = self.model.client(x)
        return z.float()

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release."""
        return self.defense.mean(self.activation(x))

    @torch.no_grad()
    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases; the client runs once."""
        return self.released(self.sent(x), m)

    def sent(self, x: Tensor) -> Tensor:
        """Return what the device itself makes of images, before the defense, ``(B, C, H, W)``."""
        return self._device.activation(x)

    @torch.no_grad()
    def released(self, z: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases of what the device makes of images (``sent``)."""
        if m < 1:
            raise ValueError(f"release: m is at least 1, not {m}")
        if m == 1:
            return self.model.noised(z)
        return self.model.noised(z.repeat(m, 1, 1, 1)).view(m, *z.shape)

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of the noise that the defense itself adds."""
        return self.defense.noise_std(z)

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases if the images were x."""
        return self.defense.surprise(z, self.activation(x), max(effective_sigma(self), self._rounding))

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server."""
        return self.model.client, self.model.server

    def server(self, z: Tensor) -> Tensor:
        """Return logits."""
        with autocast(z.device, self.precision):
            logits: Tensor = self.model.server(z)
        return logits.float()

    @torch.no_grad()
    def _measured(self, shown: Tensor) -> tuple[float, tuple[float, float]]:
        z = self.mean(shown)
        spread = float(z.var(dim=0, correction=0).mean().sqrt())
        return spread if spread > 0 else 1.0, (float(z.min()), float(z.max()))
