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
from attacks.members import Collection
from defenses.base import Batch, Defense, Epoch, Law, Shapes
from defenses.laplace import laplace_like
from defenses.ranges import flag, number, whole

LEAST_SCALE = 1e-4
SECOND_STAGE = 0.5
"""Share of the training after which, as published, the network is frozen and the noise is learned."""


class Shredder(Defense):
    """Adds noise drawn from one of several learned Laplace distributions, a fresh draw for every release.

    A release takes a member m of the collection at random and is ``z + mu_m + b_m l`` with l Laplace noise of scale 1;
    mu and b have a value for every feature. The penalty is ``lam / s``, with ``s ** 2 = 2 b ** 2`` averaged over
    members and features: the noise of one release. How far the members lie apart does not count, as paper and
    re-implementations count it: a member is read off a single release, and what is known is subtracted.

    ``published`` keeps the two stages of the paper: a network trained without noise, then, over the second half of the
    training, noise learned on it while client and server stay as they are (running statistics of batch norms apart).
    Without it both learn together throughout. The paper learns tensors of noise one by one, fits a Laplace distribution
    to them and samples from that; here the distributions themselves are learned, by reparametrisation.

    Args:
        lam: Weight of the inverse standard deviation, >= 0, in units of the activation; at 0 no noise is added.
        members: Distributions in the collection, >= 1.
        scale: Scale of the noise that training starts from, >= .0001, in units of the activation.
        published: Whether the noise is learned on a frozen network.
    """

    strength = "lam"
    reference = (
        "Mireshghallah, Taram, Ramrakhyani, Jalali, Tullsen, Esmaeilzadeh, Shredder: Learning Noise Distributions to "
        "Protect Inference Privacy, ASPLOS 2020"
    )
    version = 2
    faithful = "ours"
    cost = "one draw of noise; two numbers per feature and member to learn"

    location: nn.Parameter
    """mu, ``(members, C, H, W)``."""
    log_scale: nn.Parameter
    """Natural logarithm of b, ``(members, C, H, W)``."""
    begun: Tensor
    """Whether noise is added yet, a bool, ``()``; only as published."""

    def __init__(self, lam: float = 0.03, members: int = 8, scale: float = 0.1, published: bool = False) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.members = whole("members", members, least=1)
        self.scale = number("scale", scale, least=LEAST_SCALE)
        self.published = flag("published", published)
        if self.published:
            self.register_buffer("begun", torch.tensor(False))

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        zeros = torch.zeros(self.members, *shapes.activation)
        self.location = nn.Parameter(self.scale * laplace_like(zeros))
        self.log_scale = nn.Parameter(zeros + math.log(self.scale))

    def forward(self, z: Tensor) -> Tensor:
        if not self._adds():
            return z
        member = F.one_hot(torch.randint(self.members, z.shape[:1], device=z.device), self.members).to(z.dtype)
        location, scale = (
            (member @ values.flatten(1)).view(z.shape) for values in (self.location, self.log_scale.exp())
        )
        return z + location + scale * laplace_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z + self.location.mean(0) if self._adds() else z

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the deviation of what is added, over members and draws."""
        if not self._adds():
            return 0.0
        return (self.location.var(0, correction=0) + self._hiding()).sqrt().expand_as(z)

    def law(self, sigma: float) -> Law:
        return "surprise" if self._adds() else "gaussian"

    def normaliser(self, features: int) -> float:
        return math.log(self.members) if self._adds() else super().normaliser(features)

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of a mixture over the collection: an image's features share a member."""
        if not self._adds():
            return super().surprise(z, activation, sigma)
        features = log_laplace(z, activation + self.location[:, None], self.log_scale.exp()[:, None], sigma)
        return -features.flatten(2).sum(2).logsumexp(0)

    def collection(self) -> Collection | None:
        return Collection(self.location, 2 * (2 * self.log_scale).exp()) if self._adds() else None

    def joint(self, z: Tensor, sigma: float) -> Tensor:
        """Return their most likely location, each release's member found out on the way."""
        if not self._adds():
            return super().joint(z, sigma)
        return self.mean(member_location(z, self.location, self.log_scale.exp(), sigma))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` over the deviation of a release's noise; its unit is that of 1 over an activation."""
        if not self._adds():
            return super().penalty(batch)
        return self.lam * self._hiding().mean().rsqrt()

    def freezes_the_network(self) -> bool:
        return self.published and self._adds()

    def acts_from(self, epochs: int) -> float:
        return math.ceil(SECOND_STAGE * epochs) / epochs if self.published else 0.0

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-2}]

    def end_epoch(self, epoch: Epoch) -> None:
        if self.published and epoch.progress >= SECOND_STAGE:
            self.begun.fill_(True)

    def _adds(self) -> bool:
        return self.lam > 0 and (not self.published or bool(self.begun))

    def _hiding(self) -> Tensor:
        """Return the variance of a single release's noise on every feature, over members, ``(C, H, W)``."""
        return 2 * (2 * self.log_scale).exp().mean(0)
