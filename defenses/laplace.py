"""Laplace noise on the released activation.

References:
    Titcombe et al., Practical Defences Against Model Inversion Attacks for Split Neural Networks, 2021.
"""

import math

import torch
from torch import Tensor

from attacks.joint import laplace_location
from attacks.likelihood import log_laplace, surprise
from defenses.base import Defense, Law
from defenses.ranges import number


class Laplace(Defense):
    """Adds independent Laplace noise to every feature, in training and at inference alike.

    Args:
        scale: Scale b of the noise, >= 0, in units of the activation; its standard deviation is ``sqrt(2) * scale``.
    """

    strength = "scale"
    strength_kind = "scale"
    reference = "Titcombe et al., Practical Defences Against Model Inversion Attacks for Split Neural Networks, 2021"
    faithful = "paper"
    cost = "one draw of noise"

    def __init__(self, scale: float = 0.1) -> None:
        super().__init__()
        self.scale = number("scale", scale)

    def forward(self, z: Tensor) -> Tensor:
        if self.scale == 0:
            return z
        return z + self.scale * laplace_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> float:
        return math.sqrt(2) * self.scale

    def law(self, sigma: float) -> Law:
        return "surprise" if self.scale else "gaussian"

    def normaliser(self, features: int) -> float:
        return 0.0 if self.scale else super().normaliser(features)

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood under both noises, Laplace and Gaussian."""
        if self.scale == 0:
            return super().surprise(z, activation, sigma)
        return surprise(log_laplace(z, activation, self.scale, sigma))

    def joint(self, z: Tensor, sigma: float) -> Tensor:
        """Return their most likely location under both noises: at sigma 0 the median, and not the mean."""
        return laplace_location(z, self.scale, sigma)


def laplace_like(z: Tensor) -> Tensor:
    """Return Laplace noise of scale 1 in the shape of ``z``."""
    # the difference of two exponential variables is a Laplace variable
    return torch.empty_like(z).exponential_() - torch.empty_like(z).exponential_()
