"""Conditional entropy maximisation as the paper's public code optimises it, its slips included.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025, and its public code.
"""

import math

import torch
from torch import Tensor, nn

from defenses import clusters
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.bounds import noise_variance
from defenses.ranges import number, whole

GAMMA = 0.01
"""Added to the variances; far above the noise's share, so that the penalty hardly depends on the noise."""
TAU = 0.125
"""Share of the noise's variance below which a cluster is left alone."""
BATCH_GAIN = 10.0
"""Gain of a batch's weight against the epoch's statistics."""
BATCH_CAP = 0.99
"""What a weight of 1 or more is set to."""
MISSING_WEIGHT = 0.01
"""Weight of a cluster that is missing from the epoch's list."""


class CemCode(Defense):
    """Penalises a hinge on the log-variance, pooled over dimensions, of every k-means cluster of every class.

    With v the pooled variance of a cluster, most of it the epoch's and the rest the batch's, the penalty is the mean
    over the batch's classes of ``sum_j pi_j max(0, log(v_j + gamma) - log(tau sigma^2 + gamma))``. Against the paper:
    no ``-log pi``, no 1/2, one variance for all dimensions, and statistics of a wrong class: the k-th class present
    takes shares and epoch variances of the class of the k-th image when the batch is sorted by label, which is nearly
    always the lowest label's. The batch enters a cluster's variance with ten times its share of the epoch, at most .99.
    Under recipe ``published`` the weight is ``lam * .001 / lr`` until the learning rate is below .00041, then ``lam``;
    under one with a ramp it is ``lam``, and so far stronger than the same ``lam`` there.

    The public code's two backward passes are one here, which is the same sum. Clusters are fitted after every epoch on
    noise-free eval-mode features of augmented images; before the first fit the penalty is 0.

    Args:
        lam: Weight in the public code's own scale, >= 0; its runs use 8, 16 and 32.
        clusters: Clusters of each class, >= 1: 5 for ``vgg11_bn_sgm``, 15 for ``resnet20`` in the public code.
    """

    strength = "lam"
    reference = (
        "Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for "
        "Collaborative Inference Systems, CVPR 2025 (public code)"
    )
    faithful = "code"
    cost = "distances to k centroids; a pass over the training part and k-means after every epoch"
    fits = True
    needs_noise = True

    centroids: Tensor
    """``(K, k, D)``."""
    variances: Tensor
    """Mean squared distance to the centroid, over members and dimensions, ``(K, k)``, >= 0."""
    weights: Tensor
    """Share of each cluster in its class, ``(K, k)``."""
    per_class: Tensor
    """Images of the epoch's batches by class, were all classes alike, ``()``."""
    fitted: Tensor
    """Whether a class has been fitted, bool, ``(K,)``."""

    def __init__(self, lam: float = 16.0, clusters: int = 5) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.clusters = whole("clusters", clusters, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        size = (shapes.num_classes, self.clusters)
        self.register_buffer("centroids", torch.zeros(*size, math.prod(shapes.activation)))
        self.register_buffer("variances", torch.zeros(size))
        self.register_buffer("weights", torch.zeros(size))
        self.register_buffer("per_class", torch.ones(()))
        self.register_buffer("fitted", torch.zeros(shapes.num_classes, dtype=torch.bool))

    def penalty(self, batch: Batch) -> Tensor:
        """Return the hinge times ``lam`` and the schedule of weights; its unit is the public code's own."""
        if self.lam == 0:
            return super().penalty(batch)
        return self.lam * published_weight(batch) * self.estimate(batch.signal, batch.y, batch.sigma)

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the hinge without its weight, ``()``, >= 0: no bound on anything.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        floor = math.log(TAU * noise_variance(sigma) + GAMMA)
        z = z_clean.float().flatten(1)
        with torch.no_grad():
            assigned = clusters.nearest_own(z, y, self.centroids)
        distance = (z - self.centroids[y, assigned]).square().mean(1, keepdim=True)
        members, sums = clusters.totals(distance, y, assigned, self.weights.shape)
        donor, present = donors(members.sum(1).long())
        weights, stored = self.weights[donor], self.variances[donor]
        share = BATCH_GAIN * members / (weights * self.per_class).clamp(min=1e-12)
        share = torch.where(share >= 1, BATCH_CAP, share)
        variances = share * sums[..., 0] / members.clamp(min=1) + (1 - share) * stored
        hinge = torch.relu(torch.log(variances + GAMMA) - floor)
        counted = (members > 0) & self.fitted[:, None] & self.fitted[donor][:, None]
        return (weights * hinge * counted).sum() / present

    def end_epoch(self, epoch: Epoch) -> None:
        if self.lam == 0:
            return
        fit = clusters.fit(
            epoch.features(augment=True).flatten(1),
            epoch.y,
            self.weights.shape[0],
            self.clusters,
            start=self.centroids if self.fitted.any() else None,
            power=1.0,
        )
        total = fit.counts.sum(1, keepdim=True)
        variances, _ = _compacted(fit.variances.mean(-1), fit.counts > 0)
        weights, kept = _compacted(fit.counts / total.clamp(min=1), fit.counts > 1)
        self.centroids.copy_(fit.centroids)
        self.variances.copy_(variances)
        self.weights.copy_(torch.where(kept, weights, MISSING_WEIGHT))
        self.fitted.copy_(total[:, 0] > self.clusters)
        batches = math.ceil(len(epoch.y) / epoch.batch_size)
        self.per_class.fill_(batches * epoch.batch_size / len(total))


def published_weight(batch: Batch) -> float:
    """Return the factor of a step: the public code's schedule where the recipe keeps to sources, else 1."""
    return weight_schedule(batch.lr) if batch.published else 1.0


def weight_schedule(lr: float) -> float:
    """Return the factor by which the public code scales ``lam`` at a learning rate >= 0."""
    return 1.0 if lr < 0.00041 else 0.001 / lr


def donors(members: Tensor) -> tuple[Tensor, Tensor]:
    """Return whose statistics each class is given, ``(K,)``, and the number of classes present, ``()``.

    The k-th class present is given those of the class of the k-th image in the batch sorted by label. An absent
    class's entry means nothing.

    Args:
        members: Images of each class in the batch, ``(K,)``, int64; at least one in all.
    """
    present = members > 0
    rank = present.cumsum(0) - 1
    donor = torch.searchsorted(members.cumsum(0), rank.clamp(min=0), right=True)
    return donor, present.sum()


def _compacted(values: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Move what is kept to the front of each row, ``(K, k)``, and say where it stands; the last one fills the rest.

    The public code appends statistics of clusters that have them and pads at the end, so that indices may shift.
    """
    order = (~keep).to(torch.uint8).argsort(dim=1, stable=True)
    size = keep.sum(1, keepdim=True)
    position = torch.arange(keep.shape[1], device=keep.device).expand_as(order)
    last = torch.minimum(position, (size - 1).clamp(min=0))
    return values.gather(1, order.gather(1, last)), position < size
