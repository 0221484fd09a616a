"""Learned distributions of noise on the released activation.

References:
    Mireshghallah, Taram, Ramrakhyani, Jalali, Tullsen, Esmaeilzadeh, Shredder: Learning Noise Distributions to Protect
    Inference Privacy, ASPLOS 2020.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.joint import member_location
from attacks.likelihood import log_laplace
from defenses.base import Batch, Defense, Law, Shapes
from defenses.laplace import laplace_like
from defenses.ranges import number, whole

LEAST_SCALE = 1e-4


class Shredder(Defense):
    """Adds noise drawn from one of several learned Laplace distributions, a fresh draw for every release.

    A release takes a member m of the collection at random and is ``z + mu_m + b_m l`` with l Laplace noise of scale 1;
    mu and b have a value for every feature and are learned together with the network. The penalty is ``lam / s``, with
    ``s ** 2`` the variance of what is added, averaged over features: the louder the noise, the less it asks for.

    The paper learns tensors of noise one by one on a frozen network, fits a Laplace distribution to them and samples
    from that. Here the distributions themselves are learned, by reparametrisation, and the network learns with them. A
    single learned tensor, as in some re-implementations, would be a constant that an attacker subtracts.

    Args:
        lam: Weight of the inverse standard deviation, >= 0, in units of the activation; at 0 no noise is added.
        members: Distributions in the collection, >= 1.
        scale: Scale of the noise that training starts from, >= .0001, in units of the activation.
    """

    strength = "lam"
    reference = (
        "Mireshghallah, Taram, Ramrakhyani, Jalali, Tullsen, Esmaeilzadeh, Shredder: Learning Noise Distributions to "
        "Protect Inference Privacy, ASPLOS 2020"
    )
    faithful = "paper"
    cost = "one draw of noise; two numbers per feature and member to learn"

    location: nn.Parameter
    """mu, ``(members, C, H, W)``."""
    log_scale: nn.Parameter
    """Natural logarithm of b, ``(members, C, H, W)``."""

    def __init__(self, lam: float = 0.03, members: int = 8, scale: float = 0.1) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.members = whole("members", members, least=1)
        self.scale = number("scale", scale, least=LEAST_SCALE)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        zeros = torch.zeros(self.members, *shapes.activation)
        self.location = nn.Parameter(self.scale * laplace_like(zeros))
        self.log_scale = nn.Parameter(zeros + math.log(self.scale))

    def forward(self, z: Tensor) -> Tensor:
        if self.lam == 0:
            return z
        member = F.one_hot(torch.randint(self.members, z.shape[:1], device=z.device), self.members).to(z.dtype)
        location, scale = (
            (member @ values.flatten(1)).view(z.shape) for values in (self.location, self.log_scale.exp())
        )
        return z + location + scale * laplace_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z if self.lam == 0 else z + self.location.mean(0)

    def noise_std(self, z: Tensor) -> Tensor | float:
        return 0.0 if self.lam == 0 else self._variance().sqrt().expand_as(z)

    def law(self, sigma: float) -> Law:
        return "surprise" if self.lam else "gaussian"

    def normaliser(self, features: int) -> float:
        return math.log(self.members) if self.lam else super().normaliser(features)

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of a mixture over the collection: an image's features share a member."""
        if self.lam == 0:
            return super().surprise(z, activation, sigma)
        features = log_laplace(z, activation + self.location[:, None], self.log_scale.exp()[:, None], sigma)
        return -features.flatten(2).sum(2).logsumexp(0)

    def joint(self, z: Tensor, sigma: float) -> Tensor:
        """Return their most likely location, each release's member found out on the way."""
        if self.lam == 0:
            return super().joint(z, sigma)
        return self.mean(member_location(z, self.location, self.log_scale.exp(), sigma))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` over the standard deviation of the noise; its unit is that of 1 over an activation."""
        if self.lam == 0:
            return super().penalty(batch)
        return self.lam * self._variance().mean().rsqrt()

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-2}]

    def _variance(self) -> Tensor:
        """Return the variance of the noise on every feature, over members and draws, ``(C, H, W)``."""
        between = self.location.var(0, correction=0)
        return between + 2 * (2 * self.log_scale).exp().mean(0)
