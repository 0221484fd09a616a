"""The information in a noisy release as a cross-entropy under a learned mixture of every class.

References:
    Pichler, Colombo, Boudiaf, Koliander, Piantanida, A Differential Entropy Estimator for Training Neural Networks,
    ICML 2022.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses import clusters
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.bounds import noise_variance
from defenses.ranges import number, whole

LEARNING_RATES = {"means": 3e-3, "rho": 3e-2, "logits": 1e-2}
"""Of the mixture's Adam between two fits. In the public code all are .001, by which a variance takes 1,000 steps to
change by a factor of e: no mixture follows a client that learns."""
LEAST_VARIANCE = 1e-6
"""Of a component before the noise, when it is first fitted."""


class Knife(Defense):
    """Penalises ``-E log q(z | y) - H(noise)`` in nats per feature, q a learned mixture of Gaussians in every class.

    For every q that has not seen the features the expectation is no less than I(x; z | y). One half of the batch trains
    q, by Adam, the other the client. The noise is integrated out rather than drawn: by Jensen's inequality, applied to
    responsibilities that do not depend on the noise, the cross-entropy is at most

    ``-log sum_k pi_k exp(-1/2 sum_d (log(s_kd^2 / sigma^2) + ((z_d - mu_kd)^2 + sigma^2) / s_kd^2 - 1))``

    at the clean activation z, with ``s^2 = sigma^2 + softplus(rho)``. Against the paper: mixtures by class, diagonal
    covariances (full ones would have a hundred times the parameters), and a fit by k-means after every epoch, from
    where the means were; a few hundred steps of Adam could not follow the client. There is no penalty before the first
    fit.

    Args:
        lam: Weight of the penalty, >= 0.
        modes: Components of each class, >= 1.
    """

    strength = "lam"
    reference = "Pichler et al., A Differential Entropy Estimator for Training Neural Networks, ICML 2022"
    version = 2
    faithful = "ours"
    bound = "upper"
    tightness = 1.3
    cost = "distances to the modes of the image's class, forward and back; k-means after every epoch"
    fits = True
    needs_noise = True

    means: nn.Parameter
    """``(K, k, D)``."""
    rho: nn.Parameter
    """Whose softplus is the variance before the noise, ``(K, k, D)``."""
    logits: nn.Parameter
    """Of the shares of a class's components, ``(K, k)``."""
    fitted: Tensor
    """Whether the mixture has its start, a bool, ``()``."""

    def __init__(self, lam: float = 0.1, modes: int = 5) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.modes = whole("modes", modes, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        size = (shapes.num_classes, self.modes, math.prod(shapes.activation))
        self.means = nn.Parameter(torch.zeros(size))
        self.rho = nn.Parameter(torch.zeros(size))
        self.logits = nn.Parameter(torch.zeros(size[:2]))
        self.register_buffer("fitted", torch.tensor(False))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound on one half of the batch; its gradient trains q on the other."""
        if self.lam == 0:
            return super().penalty(batch)
        noise = noise_variance(batch.sigma)
        z = batch.signal.float().flatten(1)
        mixture = (self.means, self.rho, self.logits)
        frozen = (self.means.detach(), self.rho.detach(), self.logits.detach())
        own = cross_entropy(z[::2].detach(), batch.y[::2], *mixture, noise).mean()
        nats = cross_entropy(z[1::2], batch.y[1::2], *frozen, noise)
        bound = nats.sum() / max(1, len(nats))
        return self.fitted * (self.lam * bound + own - own.detach())

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of activations that q was not trained on, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z = z_clean.float().flatten(1)
        return cross_entropy(z, y, self.means, self.rho, self.logits, noise_variance(sigma)).mean()

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        named = {"means": self.means, "rho": self.rho, "logits": self.logits}
        return [
            {"params": [parameter], "optimiser": "adam", "lr": LEARNING_RATES[name]}
            for name, parameter in named.items()
        ]

    @torch.no_grad()
    def end_epoch(self, epoch: Epoch) -> None:
        if self.lam == 0:
            return
        fit = clusters.fit(
            epoch.features(augment=True).flatten(1),
            epoch.y,
            len(self.means),
            self.modes,
            start=self.means.detach() if self.fitted else None,
        )
        self.means.copy_(fit.centroids)
        self.rho.copy_(fit.variances.clamp(min=LEAST_VARIANCE).expm1().log())
        self.logits.copy_(fit.counts.clamp(min=0.5).log())
        self.fitted.fill_(True)


def cross_entropy(z: Tensor, y: Tensor, means: Tensor, rho: Tensor, logits: Tensor, noise: float) -> Tensor:
    """Return each activation's cross-entropy above the noise's entropy, >= 0, in nats per feature, ``(B,)``.

    Args:
        z: Noise-free activations, ``(B, D)``; all their differences to k components are held at once.
        y: Labels, ``(B,)``.
        means: ``(K, k, D)``.
        rho: Whose softplus is the variance before the noise, ``(K, k, D)``.
        logits: Of the shares of a class's components, ``(K, k)``.
        noise: Variance of the noise, > 0.
    """
    own = F.one_hot(y, len(means)).to(z.dtype)
    excess = F.softplus(rho)
    # rows are chosen by a product, whose gradient on CUDA is the same every time
    mean, variance = ((own @ part.flatten(1)).view(-1, *part.shape[1:]) for part in (means, excess + noise))
    level = (torch.log1p(excess / noise) - excess / (excess + noise)).sum(-1)
    exponent = own @ level + ((z[:, None] - mean).square() / variance).sum(-1)
    return -(own @ logits.log_softmax(-1) - exponent / 2).logsumexp(-1) / z.shape[1]
