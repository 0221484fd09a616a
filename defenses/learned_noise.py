"""Noise of a learned deviation for every feature: much where the task needs little, little where it needs much.

References:
    Cover and Thomas, Elements of Information Theory, 2006, section 10.3 (reverse water-filling).
    Mireshghallah, Taram, Jalali, Elthakeb, Tullsen, Esmaeilzadeh, Not All Features Are Equal: Discovering Essential
    Features for Preserving Prediction Privacy, 2021.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number

LEARNING_RATE = 1e-2
"""Of the deviations' Adam."""


class LearnedNoise(Defense):
    """Adds Gaussian noise of deviation s_d to feature d, and penalises what is left of the information about the image.

    The penalty is ``1/2 sum_d log(1 + v_d / (sigma^2 + s_d^2)) / D`` in nats per feature, with v_d the variance within
    classes, pooled over them (by concavity no less than with each class's own). It raises s_d; the task's loss lowers
    it where the feature is needed: as in reverse water-filling, features of small variance drown first. s_d lies
    between ``least`` and ``most`` on a log scale and starts at their geometric mean. An attacker knows every s_d. At
    lam 0 nothing would pay for noise, and none is added.

    Args:
        lam: Weight of the penalty, >= 0.
        least: Smallest deviation, >= .0001, in units of the activation.
        most: Largest deviation, >= ``least``.
    """

    strength = "lam"
    reference = (
        "ours, after reverse water-filling; Mireshghallah et al., Not All Features Are Equal: Discovering Essential "
        "Features for Preserving Prediction Privacy, 2021"
    )
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "one draw of noise and the variances of a batch"

    level: nn.Parameter
    """Place of s_d between its bounds, by a sigmoid on a log scale, ``(C, H, W)``."""
    num_classes: int

    def __init__(self, lam: float = 0.1, least: float = 0.01, most: float = 1.0) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.least = number("least", least, least=1e-4)
        self.most = number("most", most, least=self.least)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.num_classes = shapes.num_classes
        self.level = nn.Parameter(torch.zeros(shapes.activation))

    def forward(self, z: Tensor) -> Tensor:
        if self.lam == 0:
            return z
        return z + self._deviation() * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor | float:
        return self._deviation().expand_as(z) if self.lam else 0.0

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound, in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        return self.lam * self.estimate(batch.z_clean, batch.y, batch.sigma)

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the release with both noises, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        variance = variance_within(z_clean.float().flatten(1), y, self.num_classes)
        noise = sigma**2 + self._deviation().square().flatten()
        return torch.log1p(variance / noise).mean() / 2

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": [self.level], "optimiser": "adam", "lr": LEARNING_RATE}]

    def _deviation(self) -> Tensor:
        """Return s_d, ``(C, H, W)``."""
        low, high = math.log(self.least), math.log(self.most)
        return torch.exp(low + (high - low) * self.level.sigmoid())


def variance_within(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Return the unbiased variance within classes, pooled over them, ``(D,)``; 0 if no two activations share a class.

    Args:
        z: Activations, ``(B, D)``.
        y: Labels, ``(B,)``.
        num_classes: K.
    """
    own = F.one_hot(y, num_classes).to(z.dtype)
    counts = own.sum(0)
    means = own.mT @ z / counts.clamp(min=1)[:, None]
    squares = (z - own @ means).square().sum(0)
    return squares / (len(y) - (counts > 0).sum()).clamp(min=1)
