"""Noise that leaves a release a given Fisher-approximated information, by the volume that the client makes of images.

References:
    FSInfo / FSInfoGuard, arXiv 2504.10016, 2025.
    InfoDecom, AAAI 2026 (its formula of the noise).
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.calibration import Calibration
from defenses.ranges import number, whole


class FSInfo(Defense):
    """Adds Gaussian noise of deviation ``scale exp(1/2k log det(J J')) / sqrt(2 pi e)``, J the client's Jacobian.

    So that ``FSInfo = 1/2k log det(J J') - 1/2 log(2 pi e s^2)``, nats a feature, is ``-log(scale)``; the paper's
    targets are such numbers, -1 say: a scale of 2.72. It is no bound on I(x; z).

    The paper has the d x d matrix ``J'J`` of d pixels in it, whose determinant is 0 wherever a release has fewer
    features than an image has pixels, as at every bottleneck here: FSInfo would be minus infinity whatever the noise,
    and the noise nought. This is the k x k form, of the k features; it is the paper's where k = d. Otherwise ours: one
    deviation for all images, since the device cannot differentiate its client for each, from the first images of an
    epoch's first batch, exact, averaged with the epochs before; and the channel noise comes on top.

    Args:
        scale: ``exp(-FSInfo)``, >= 0.
        images: Images that the Jacobian is taken of once an epoch, >= 1.
    """

    strength = "scale"
    strength_kind = "scale"
    reference = "FSInfo / FSInfoGuard, 2025; InfoDecom, AAAI 2026"
    faithful = "ours"
    cost = "a Jacobian of the client at an image once an epoch, and one draw of noise"

    def __init__(self, scale: float = 2.72, images: int = 1) -> None:
        super().__init__()
        self.scale = number("scale", scale)
        self.images = whole("images", images, least=1)
        self.calibration = Calibration()

    def forward(self, z: Tensor) -> Tensor:
        return z if self.scale == 0 else z + self.calibration.deviation(self.scale) * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor | float:
        return 0.0 if self.scale == 0 else self.calibration.deviation(self.scale)

    def penalty(self, batch: Batch) -> Tensor:
        """Return 0; in an epoch's first step the noise is set anew."""
        if self.scale > 0 and self.training:
            self.calibration.see(batch, self.images)
        return super().penalty(batch)
