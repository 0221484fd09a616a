"""Class-wise mixtures of Gaussians with diagonal covariance, and how many nats a noisy release tells beyond them.

For any density q, ``I(x; z | y) <= E[-log q(z | y)] - H(e)`` with the noise e; so does every function here bound it,
whatever the mixture. A mixture is of noise-free features: the noise adds its variance to each component's.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2.
    Pichler et al., A Differential Entropy Estimator for Training Neural Networks (KNIFE), ICML 2022.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from defenses.rows import Rows, by_class

RARE = 1e-9
"""Members below which a component counts as having none."""


class Mixture(NamedTuple):
    """M components of each of K classes, D features."""

    weights: Tensor
    """Shares within the class, ``(K, M)``; they sum to 1 in a class that has features."""
    means: Tensor
    """``(K, M, D)``."""
    variances: Tensor
    """``(K, M, D)``, >= 0."""
    counts: Tensor
    """Members, ``(K, M)``, >= 0."""


def moments(rows: Rows, assigned: Tensor) -> Mixture:
    """Return the mixture whose components have the moments of their members.

    Args:
        rows: Features by class.
        assigned: Share of each feature in each component, ``(K, n, M)``, >= 0.
    """
    weight = assigned * rows.member[..., None]
    counts = weight.sum(1)
    # about the class's mean, where a difference of moments loses no digits that the noise would not swamp
    centre = class_means(rows)
    away = (rows.points - centre) * rows.member[..., None]
    scale = counts.clamp(min=RARE)[..., None]
    first = weight.mT @ away / scale
    second = weight.mT @ away.square() / scale
    weights = counts / counts.sum(1, keepdim=True).clamp(min=RARE)
    return Mixture(weights, centre + first, (second - first.square()).clamp(min=0), counts)


def class_means(rows: Rows) -> Tensor:
    """Return the mean of every class, ``(K, 1, D)``; 0 of one without features."""
    size = rows.member.sum(1)[:, None, None].clamp(min=1)
    return (rows.points * rows.member[..., None]).sum(1, keepdim=True) / size


def frozen(mixture: Mixture) -> Mixture:
    """Return a mixture that passes no gradient."""
    return Mixture(*(part.detach() for part in mixture))


def shrunk(mixture: Mixture, shrinkage: float) -> Mixture:
    """Return the mixture with variances drawn to the tied one of their class as if by ``shrinkage`` members, >= 0."""
    counts = mixture.counts[..., None]
    tied = (mixture.weights[..., None] * mixture.variances).sum(1, keepdim=True)
    variances = (counts * mixture.variances + shrinkage * tied) / (counts + shrinkage).clamp(min=RARE)
    return mixture._replace(variances=variances)


def charged(z: Tensor, y: Tensor, log_share: Tensor, mixture: Mixture, noise: float) -> Tensor:
    """Return each feature's nats when its component is told too, and paid for, ``(B,)``.

    The mean bounds I(x; z | y) for any mixture and any shares: ``E sum_m c_m (log c_m - log pi_m + K_m)`` with c the
    shares and K_m the Kullback-Leibler divergence of the noise at z from component m. With the moments of the same
    features and shares it is ``sum_m pi_m sum_d log(1 + v_md / noise) / 2 + I(z; c)``.

    Args:
        z: Noise-free features, ``(B, D)``.
        y: Labels, ``(B,)``.
        log_share: Logarithms of the shares in the class's components, ``(B, M)``.
        mixture: Of every class.
        noise: Variance of the channel noise, > 0.
    """
    share = log_share.exp()
    label = mixture.weights[y].clamp(min=RARE).log()
    return (share * (log_share - label + divergences(z, y, mixture, noise))).sum(1)


def divergences(z: Tensor, y: Tensor, mixture: Mixture, noise: float) -> Tensor:
    """Return the Kullback-Leibler divergence of N(z, noise) from each component of z's class, nats, ``(B, M)``.

    Args:
        z: Noise-free features, ``(B, D)``.
        y: Labels, ``(B,)``.
        mixture: Of every class.
        noise: Variance of the channel noise, > 0.
    """
    variances = mixture.variances[y]
    distance = (z[:, None] - mixture.means[y]).square()
    # log(V / s) + ((z - mu)^2 + s) / V - 1 with V = v + s
    return (torch.log1p(variances / noise) + (distance - variances) / (variances + noise)).sum(-1) / 2


def log_ratio(z: Tensor, e: Tensor, y: Tensor, mixture: Mixture, noise: float) -> Tensor:
    """Return ``log p(z + e | z) - log q(z + e | y)`` of each feature with its own draw of noise, nats, ``(B,)``.

    The mean bounds I(x; z | y) for any mixture. In that difference most of the noise's chance cancels.

    Args:
        z: Noise-free features, ``(B, D)``.
        e: Noise, ``(B, D)``, of variance ``noise``.
        y: Labels, ``(B,)``.
        mixture: Of every class.
        noise: Variance of the channel noise, > 0.
    """
    variances = mixture.variances[y]
    distance = ((z + e)[:, None] - mixture.means[y]).square()
    worse = torch.log1p(variances / noise) + distance / (variances + noise) - (e.square() / noise)[:, None]
    label = mixture.weights[y].clamp(min=RARE).log()
    return -torch.logsumexp(label - worse.sum(-1) / 2, dim=1)


def by_features(z: Tensor, y: Tensor, log_share: Tensor, num_classes: int) -> Mixture:
    """Return the mixture with the moments of a batch ``(B, D)`` under its own shares ``(B, M)``."""
    return moments(by_class(z, y, num_classes), by_class(log_share.exp(), y, num_classes).points)
