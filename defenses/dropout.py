"""Features are dropped at random before they leave the device.

References:
    He, Zhang, Lee, Attacking and Protecting Data Privacy in Edge-Cloud Collaborative Inference Systems, IEEE Internet
    of Things Journal 2020.
"""

import math

import torch
from torch import Tensor

from attacks.likelihood import log_gaussian, log_zeroed, surprise
from defenses.base import Defense, Law
from defenses.ranges import number


class Dropout(Defense):
    """Sets every feature to 0 with probability ``rate``, independently, in training and at inference alike.

    ``z_i m_i`` with ``P(m_i = 0) = rate``; the features that remain are not scaled up. The channel noise comes after,
    so that with it an attacker does not see which features were dropped; the public code of Xia et al. 2025 adds it
    before. m releases of one image leave a feature hidden with probability ``rate ** m``.

    Args:
        rate: Share of the features that are dropped, in [0, 1].
    """

    strength = "rate"
    strength_kind = "share"
    reference = (
        "He, Zhang, Lee, Attacking and Protecting Data Privacy in Edge-Cloud Collaborative Inference Systems, "
        "IEEE Internet of Things Journal 2020"
    )
    faithful = "paper"
    cost = "one draw of a mask"
    masks = True

    def __init__(self, rate: float = 0.4) -> None:
        super().__init__()
        self.rate = number("rate", rate, most=1.0)

    def forward(self, z: Tensor) -> Tensor:
        if self.rate == 0:
            return z
        return z * torch.empty_like(z).bernoulli_(1 - self.rate)

    def mean(self, z: Tensor) -> Tensor:
        return (1 - self.rate) * z

    def noise_std(self, z: Tensor) -> Tensor:
        return z.abs() * math.sqrt(self.rate * (1 - self.rate))

    def law(self, sigma: float) -> Law:
        return "surprise" if sigma > 0 else "atoms"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of a mixture for every feature: kept, or dropped."""
        kept = _log(1 - self.rate) + log_gaussian(z, activation, sigma)
        dropped = _log(self.rate) + log_zeroed(z[..., None], sigma)
        return surprise(torch.logaddexp(kept, dropped))


def _log(share: float) -> float:
    return math.log(share) if share else -math.inf
