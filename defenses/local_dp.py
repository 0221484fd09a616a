"""Noise that makes the release of a feature locally differentially private.

References:
    Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014: definition 3.3, theorem A.1.
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025, and its public code.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from defenses.base import Defense, Law
from defenses.laplace import Laplace
from defenses.ranges import number

LEAST_EPSILON = 1e-3
DELTA = 1e-4
"""Share of the cases that the Gaussian mechanism leaves unprotected, as in the public code."""
MECHANISMS = ("gaussian", "laplace")


class LocalDP(Defense):
    """Clips every feature to [0, 1] and adds noise that fits this range, in training and at inference alike.

    ``laplace``: scale 1 / epsilon, which is epsilon-private. ``gaussian``: standard deviation
    ``sqrt(2 ln(1.25 / delta)) / epsilon`` with delta 1e-4, which is (epsilon, delta)-private for epsilon <= 1 only:
    above that the formula is the public code's, and no guarantee. Either speaks of one feature. The D features of a
    release together spend D epsilon, so that a usable accuracy has no guarantee worth its name for an image.

    The public code does not clip, and needs not to behind a sigmoid. Nothing is the identity here but an infinite
    epsilon, so that there is no strength. The server learns with the noise.

    Args:
        epsilon: Privacy budget of one feature, >= .001; less is more private.
        mechanism: ``gaussian`` or ``laplace``.
    """

    reference = "Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 2014; code of Xia et al., 2025"
    faithful = "ours"
    cost = "one draw of noise"

    def __init__(self, epsilon: float = 20.0, mechanism: Literal["gaussian", "laplace"] = "gaussian") -> None:
        super().__init__()
        self.epsilon = number("epsilon", epsilon, least=LEAST_EPSILON)
        if mechanism not in MECHANISMS:
            raise ValueError(f"mechanism takes one of {', '.join(MECHANISMS)}, not {mechanism!r}")
        self.mechanism = mechanism
        self.laplace = Laplace(1 / self.epsilon)

    def forward(self, z: Tensor) -> Tensor:
        if self.mechanism == "laplace":
            released: Tensor = self.laplace(self.mean(z))
            return released
        return self.mean(z) + self.noise_std(z) * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z.clamp(0, 1)

    def noise_std(self, z: Tensor) -> float:
        if self.mechanism == "laplace":
            return self.laplace.noise_std(z)
        return math.sqrt(2 * math.log(1.25 / DELTA)) / self.epsilon

    def law(self, sigma: float) -> Law:
        return self.laplace.law(sigma) if self.mechanism == "laplace" else "gaussian"

    def normaliser(self, features: int) -> float:
        return self.laplace.normaliser(features) if self.mechanism == "laplace" else super().normaliser(features)

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood under both noises, about the clipped activation."""
        if self.mechanism == "laplace":
            return self.laplace.surprise(z, self.mean(activation), sigma)
        return super().surprise(z, activation, sigma)

    def joint(self, z: Tensor, sigma: float) -> Tensor:
        """Return their most likely location under both noises."""
        return self.laplace.joint(z, sigma) if self.mechanism == "laplace" else super().joint(z, sigma)
