"""The class-wise Gaussian bound at the worst attention over images: a penalty on the images that stand out most.

References:
    Hu and Hong, Kullback-Leibler Divergence Constrained Distributionally Robust Optimization, 2013: within a divergence
    the worst weights of a mean are exponential in what is averaged.
"""

import math

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import class_means
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows, by_class

BISECTIONS = 30
"""Halvings of the interval that holds the attention's sharpness."""
SHARPEST = 100.0
"""Largest sharpness ``1 / tau``, for excesses of standard deviation 1 in their class."""


class GatedAdversarial(Defense):
    """Penalises ``sum_y p_y 1/2 sum_d log(1 + sum_i a_i (z_id - mean_yd)^2 / sigma^2) / D`` at the worst attention a.

    Attention may leave the uniform one by at most ``rho`` nats of Kullback-Leibler divergence in each class. The
    maximum is taken on the linearised bound, where it is known: ``a_i ~ exp(e_i / tau)`` with ``e_i = sum_d (z_id -
    mean_yd)^2 / (v_yd + sigma^2) / D``, tau by bisection. Where that attention is no better than the uniform one, the
    class pays for the uniform one, so that the value, in nats per feature, never falls below the class-Gaussian bound.
    Images that an average hides, the tail of a class, carry most of the gradient.

    Moments are those of the batch and the last ``bank`` images of each class; the batch's images take part with the
    bank's, and the gradient is scaled as if the batch stood for all of them.

    Args:
        lam: Weight of the penalty, >= 0.
        rho: Largest divergence of attention from uniform, nats, >= 0.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = (
        "Ours, with the worst weights of Hu and Hong, Kullback-Leibler Divergence Constrained Distributionally Robust "
        "Optimization, 2013"
    )
    faithful = "ours"
    bound = "upper"
    tightness = 1.3
    cost = "30 softmaxes over the batch and a bank of features"
    needs_noise = True

    def __init__(self, lam: float = 0.1, rho: float = 0.3, bank: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.rho = number("rho", rho)
        self.bank_size = whole("bank", bank, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.bank = Bank(shapes.num_classes, self.bank_size, math.prod(shapes.activation))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        rows = self.bank.with_batch(z, batch.y)
        if self.training:
            self.bank.push(z, batch.y)
        value = _bound(rows, noise, self.rho)
        scale = rows.member.sum() / len(z)  # the bank's images pass no gradient: the batch stands for them
        return self.lam * (value.detach() + scale * (value - value.detach()))

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        rows = by_class(z_clean.float().flatten(1), y, len(self.bank.seen))
        return _bound(rows, noise_variance(sigma), self.rho)


def worst_attention(excess: Tensor, member: Tensor, rho: float) -> Tensor:
    """Return the attention that maximises its mean of ``excess`` within ``rho`` nats of uniform, ``(K, n)``.

    Args:
        excess: How far each feature stands out, ``(K, n)``, in any unit.
        member: 1 where there is a feature and 0 where not, ``(K, n)``.
        rho: Largest divergence of attention from uniform, nats, >= 0.
    """
    size = member.sum(1, keepdim=True).clamp(min=1)
    away = (excess - (excess * member).sum(1, keepdim=True) / size) * member
    away = away / (away.square().sum(1, keepdim=True) / size).sqrt().clamp(min=1e-12)
    low, high = torch.zeros_like(size), torch.full_like(size, SHARPEST)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        within = _divergence(_attention(away, member, middle), size) <= rho
        low, high = torch.where(within, middle, low), torch.where(within, high, middle)
    return _attention(away, member, low)


def _attention(away: Tensor, member: Tensor, sharpness: Tensor) -> Tensor:
    return (sharpness * away).masked_fill(member == 0, -1e9).softmax(1) * member


def _divergence(attention: Tensor, size: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from uniform, nats, ``(K, 1)``."""
    return torch.xlogy(attention, attention * size).sum(1, keepdim=True)


def _bound(rows: Rows, noise: float, rho: float) -> Tensor:
    """Return the bound at the worst attention, or at the uniform one where that is larger, nats per feature, ``()``."""
    size = rows.member.sum(1, keepdim=True)
    distance = (rows.points - class_means(rows)).square() * rows.member[..., None]
    uniform = rows.member / size.clamp(min=1)
    with torch.no_grad():
        variances = uniform[:, None] @ distance
        excess = (distance / (variances + noise)).mean(-1)
        worst = worst_attention(excess, rows.member, rho)
    moments = torch.stack([uniform, worst], dim=1) @ distance
    nats = torch.log1p(moments / noise).mean(-1).amax(1) / 2
    return (size[:, 0] / size.sum() * nats).sum()
