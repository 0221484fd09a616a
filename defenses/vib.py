"""Noise whose strength is learned for every image, paid for by the rate of the release.

References:
    Alemi, Fischer, Dillon, Murphy, Deep Variational Information Bottleneck, ICLR 2017.
    Wang, Zhang, Jia, Improving Robustness to Model Inversion Attacks via Mutual Information Regularization, AAAI 2021.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number

LEAST_SCALE = 1e-3
LOG_VARIANCE = (-14.0, 2.0)
"""Range of the learned noise's log-variance: standard deviations from .0009 to 2.7."""


class Vib(Defense):
    """Adds Gaussian noise of a standard deviation learned from the activation, and penalises the rate of the release.

    A release is ``N(z, s(z) ** 2 + sigma ** 2)``, where a 1x1 convolution of z gives ``log s ** 2`` and sigma is the
    channel noise. The penalty is the mean over features of ``KL(N(z, v) || N(m, S))``, v = s ** 2 + sigma ** 2, with m
    and S the moments of the batch's releases, feature by feature: ``(log S - E log v) / 2``. Its sum bounds I(x;
    release) from above, hence I(x; release | y) too, whatever the noise. The papers' marginal is N(0, 1), under which a
    release in (0, 1) with a noise of .1 costs 2 nats a feature, whatever it tells.

    The mean is the client's own output, where the papers have a linear layer for it, and the channel noise counts as
    part of the release. At ``lam`` 0 nothing asks for noise, and none is added.

    Args:
        lam: Weight of the rate in nats per feature, >= 0. A weight beta on the sum is beta times their number here.
        scale: Standard deviation of the noise that training starts from, in [.001, 2], in units of the activation.
    """

    strength = "lam"
    reference = (
        "Wang, Zhang, Jia, Improving Robustness to Model Inversion Attacks via Mutual Information Regularization, "
        "AAAI 2021; Alemi et al., Deep Variational Information Bottleneck, ICLR 2017"
    )
    version = 2
    faithful = "ours"
    bound = "upper"
    tightness = 7.5  # it counts what is told of the class too
    cost = "a 1x1 convolution and one draw of noise"

    def __init__(self, lam: float = 0.1, scale: float = 0.1) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.scale = number("scale", scale, least=LEAST_SCALE, most=2.0)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        num_channels = shapes.activation[0]
        self.log_variance = nn.Conv2d(num_channels, num_channels, 1)
        nn.init.zeros_(self.log_variance.weight)
        self.log_variance.bias = nn.Parameter(torch.full((num_channels,), 2 * math.log(self.scale)))

    def forward(self, z: Tensor) -> Tensor:
        return z if self.lam == 0 else z + self._variance(z).sqrt() * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor | float:
        return 0.0 if self.lam == 0 else self._variance(z).sqrt()

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the rate in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        return self.lam * self.estimate(batch.z_clean, batch.y, batch.sigma)

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the rate, an upper bound on I(x; release) and so on I(x; release | y), in nats per feature.

        The marginal is that of the activations given.

        Args:
            z_clean: Activations before the noise is added, ``(B, C, H, W)``.
            y: Labels, ``(B,)``; the rate does not look at them.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        variance = self._variance(z_clean) + sigma**2
        marginal = z_clean.var(0, correction=0) + variance.mean(0)
        return (marginal.log() - variance.log().mean(0)).mean() / 2

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-2}]

    def _variance(self, z: Tensor) -> Tensor:
        log_variance: Tensor = self.log_variance(z)
        return log_variance.clamp(*LOG_VARIANCE).exp()
