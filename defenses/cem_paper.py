"""Conditional entropy maximisation as the paper derives it: a bound on what features tell beyond the class.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: equations 5 to 7.
"""

import math

import torch
from torch import Tensor, nn

from defenses import clusters
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.bounds import mixture_bound, noise_variance
from defenses.ranges import number, whole


class CemPaper(Defense):
    """Penalises equation 7 per dimension, in nats per feature, with the statistics of the right class.

    It bounds I(x; z | y) / D by ``sum_y p_y sum_j pi_j (-log pi_j + 1/2 sum_d log(1 + v_jd / sigma^2)) / D``, where p_y
    is the share of class y, pi_j that of its cluster j, v_jd the cluster's variance along dimension d of D.

    k-means finds the clusters on the noise-free features of the augmented training part after every epoch, from where
    they were before. Between fits every batch moves shares and variances by equations 5 and 6, with centroids and the
    assignment to the nearest of them held fixed. There is no penalty before the first fit: none in the first
    epoch, but under a ramp of the recipe, for which it is fitted within it.

    Equation 6 taken literally would let through only the batch's share B / N of the gradient. Here the batch stands for
    the epoch: the gradient is the unbiased estimate of the gradient of the bound over all training features.

    Args:
        lam: Weight of the penalty, >= 0.
        clusters: Clusters k of each class, >= 1; the paper's k = 3n.
    """

    strength = "lam"
    reference = (
        "Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for "
        "Collaborative Inference Systems, CVPR 2025"
    )
    faithful = "paper"
    bound = "upper"
    tightness = 1.4
    cost = "distances to k centroids; a pass over the training part and k-means after every epoch"
    fits = True
    needs_noise = True

    centroids: Tensor
    """``(K, k, D)``."""
    variances: Tensor
    """Per dimension, ``(K, k, D)``, >= 0."""
    counts: Tensor
    """Training images of each cluster, ``(K, k)``, >= 0; they sum to N."""
    fitted: Tensor
    """Whether there has been a fit, a bool, ``()``."""

    def __init__(self, lam: float = 0.1, clusters: int = 3) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.clusters = whole("clusters", clusters, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        size = (shapes.num_classes, self.clusters, math.prod(shapes.activation))
        self.register_buffer("centroids", torch.zeros(size))
        self.register_buffer("variances", torch.zeros(size))
        self.register_buffer("counts", torch.zeros(size[:2]))
        self.register_buffer("fitted", torch.tensor(False))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        noise = noise_variance(batch.sigma)
        z = batch.signal.float().flatten(1)
        with torch.no_grad():
            assigned = clusters.nearest_own(z, batch.y, self.centroids)
            counts, variances = self._moved(z, batch.y, assigned)
            value = mixture_bound(counts, variances, noise)
        if self.training:
            self.counts.copy_(counts)
            self.variances.copy_(variances)
        # its gradient is that of the bound when the batch is the epoch: d log(v + s) / 2 = dv / (2 (v + s))
        distance = (z - self.centroids[batch.y, assigned]).square()
        slope = (distance / (2 * (variances[batch.y, assigned] + noise))).mean()
        return self.lam * self.fitted * (value + slope - slope.detach())

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        The fitted centroids only assign; shares, means and variances are those of the activations given. Before the
        first fit every class is one cluster.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        noise = noise_variance(sigma)
        z = z_clean.float().flatten(1)
        assigned = clusters.nearest_own(z, y, self.centroids)
        counts, sums = clusters.totals(z, y, assigned, self.counts.shape)
        means = sums / counts[..., None].clamp(min=1)
        _, squares = clusters.totals((z - means[y, assigned]).square(), y, assigned, self.counts.shape)
        return mixture_bound(counts, squares / counts[..., None].clamp(min=1), noise)

    def end_epoch(self, epoch: Epoch) -> None:
        if self.lam == 0:
            return
        fit = clusters.fit(
            epoch.features(augment=True).flatten(1),
            epoch.y,
            self.counts.shape[0],
            self.clusters,
            start=self.centroids if self.fitted else None,
        )
        self.centroids.copy_(fit.centroids)
        self.variances.copy_(fit.variances)
        self.counts.copy_(fit.counts)
        self.fitted.fill_(True)

    def _moved(self, z: Tensor, y: Tensor, assigned: Tensor) -> tuple[Tensor, Tensor]:
        """Return counts ``(K, k)`` and variances ``(K, k, D)`` after the batch: equations 5 and 6."""
        distance = (z - self.centroids[y, assigned]).square()
        batch_counts, squares = clusters.totals(distance, y, assigned, self.counts.shape)
        kept = (1 - len(y) / self.counts.sum().clamp(min=1)).clamp(min=0)
        counts = self.counts * kept + batch_counts
        members = counts[..., None].clamp(min=1e-9)
        share = batch_counts[..., None] / members
        return counts, (1 - share) * self.variances + squares / members
