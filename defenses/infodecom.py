"""A device that takes the lowest frequencies off an image, draws all releases together, and adds calibrated noise.

References:
    InfoDecom, AAAI 2026, pages 20737-20745, and its public code (SASA-cloud/InfoDecom).
    Ahmed, Natarajan, Rao, Discrete Cosine Transform, 1974.
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.calibration import Calibration
from defenses.linear_adversary import cosines
from defenses.ranges import number, whole

SIDE = 8
"""Pixels along a block's side."""


class InfoDecom(Defense):
    """Drops the lowest frequencies of an image's blocks, penalises ``mean |z_i - z_j|^2``, and adds `FSInfo`'s noise.

    - Of every 8 x 8 block the ``dropped`` lowest frequencies of the cosine transform are taken off before the client
      sees it; so the client that an attacker queries or differentiates has it in it. The paper drops the largest
      coefficients of YUV channels, which in photographs are the lowest; dropped alike in all three channels, no change
      of colours matters.
    - The penalty is the mean over the pairs of a batch of the squared distance of what is released but for noise, a
      feature: twice the variance over all images, of class and image alike, in squared units of an activation.
    - Noise as :class:`defenses.fsinfo.FSInfo` adds it, with FSInfo's k x k form in the place of the paper's, which is
      undefined here; the paper's target of -1 is a scale of 2.72.

    Written from a note on the paper, not from its code. That images lose their mean colour raises any attacker's mse
    and hides little of their structure: see the registered scores and ``identified_1`` beside it. At ``lam`` 0 there is
    none of the three.

    Args:
        lam: Weight of the distances, >= 0; 10 in the paper.
        dropped: Frequencies that are dropped, in [0, 63]; 10 in the paper, which are those of ``u + v <= 3``.
        scale: ``exp(-FSInfo)`` of the noise, >= 0.
        images: Images that the Jacobian is taken of once an epoch, >= 1.
    """

    strength = "lam"
    reference = "InfoDecom, AAAI 2026"
    faithful = "ours"
    cost = "a Jacobian of the client at an image once an epoch, a transform of the images, and one draw of noise"

    def __init__(self, lam: float = 10.0, dropped: int = 10, scale: float = 2.72, images: int = 1) -> None:
        super().__init__()
        self.lam, self.scale = number("lam", lam), number("scale", scale)
        self.dropped = whole("dropped", dropped, most=SIDE**2 - 1)
        self.images = whole("images", images, least=1)
        self.calibration = Calibration()

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        if self.lam > 0 and self.dropped > 0:
            client.register_forward_pre_hook(functools.partial(_seen, self.dropped))

    def forward(self, z: Tensor) -> Tensor:
        return z if self.lam == 0 else z + self.calibration.deviation(self.scale) * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor | float:
        return 0.0 if self.lam == 0 else self.calibration.deviation(self.scale)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the mean squared distance of a batch's pairs, a feature; 0 of a single image."""
        if self.lam == 0:
            return super().penalty(batch)
        if self.scale > 0 and self.training:
            self.calibration.see(batch, self.images)
        z = batch.mean.float().flatten(1)
        squares = (z - z.mean(0)).square().mean(1).sum()
        return self.lam * 2 * squares / max(len(z) - 1, 1)


def without_lowest(x: Tensor, dropped: int) -> Tensor:
    """Return images without the lowest frequencies of their blocks, of their shape.

    Args:
        x: Images, ``(B, C, height, width)``; sides that blocks do not divide are continued by their edge.
        dropped: Frequencies of a block, in the order of ``u + v``, then u; in [0, 63].
    """
    height, width = x.shape[2:]
    padded = F.pad(x, (0, -width % SIDE, 0, -height % SIDE), mode="replicate")
    blocks = padded.unflatten(3, (-1, SIDE)).unflatten(2, (-1, SIDE)).transpose(3, 4)
    waves = cosines(SIDE, SIDE).to(x)
    kept: Tensor = waves.mT @ (_kept(dropped).to(x) * (waves @ blocks @ waves.mT)) @ waves
    return kept.transpose(3, 4).flatten(4, 5).flatten(2, 3)[..., :height, :width]


def _kept(dropped: int) -> Tensor:
    """Return 0 at the lowest frequencies and 1 elsewhere, ``(8, 8)``."""
    lowest = sorted(((u, v) for u in range(SIDE) for v in range(SIDE)), key=lambda at: (sum(at), at))[:dropped]
    kept = torch.ones(SIDE, SIDE)
    for u, v in lowest:
        kept[u, v] = 0
    return kept


def _seen(dropped: int, client: nn.Module, arguments: tuple[Any, ...]) -> tuple[Tensor]:
    x: Tensor = arguments[0]
    with torch.autocast(x.device.type, enabled=False):
        return (without_lowest(x.float(), dropped),)
