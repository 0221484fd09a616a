"""Clusters found by plain k-means in a memory: a control of gates and slots, with nothing to learn by gradient.

References:
    Lloyd, Least Squares Quantization in PCM, 1982.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses import clusters
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import by_features, charged, frozen, moments
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows

FLOOR = 1e-9
"""Share of a cluster that an image is not in."""


class KMeans(Defense):
    """Penalises a mixture bound on I(x; z | y) whose components are clusters, in nats per feature.

    With pi and v the clusters' shares and variances in class y, an image being in the nearest one::

        sum_y p_y [sum_k pi_yk 1/2 sum_d log(1 + v_ykd / sigma^2) + H(pi_y)] / D

    A step of Lloyd's algorithm on the batch and the last ``bank`` images of each class follows the client in every
    step, from the first images of a class on. The batch is charged its cross-entropy under the clusters' moments, as in
    ``gated_heads`` and ``slot_corrected``, whose assignment is trained; ``cem_paper`` clusters after every epoch. Hard
    clusters fit too well what they are taken of: moments are the bank's, with the batch only until it is full.

    Args:
        lam: Weight of the penalty, >= 0.
        clusters: Clusters of each class, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = "Ours, with Lloyd, Least Squares Quantization in PCM, 1982"
    faithful = "ours"
    bound = "upper"
    tightness = 1.6
    cost = "distances from the batch and a bank of features to k centroids, moments of the clusters by class"
    needs_noise = True

    centroids: Tensor
    """``(K, k, D)``."""
    started: Tensor
    """Whether a class has centroids, bool, ``(K,)``."""

    def __init__(self, lam: float = 0.1, clusters: int = 5, bank: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.clusters = whole("clusters", clusters, least=1)
        self.bank_size = whole("bank", bank, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.bank = Bank(shapes.num_classes, self.bank_size, features)
        self.register_buffer("centroids", torch.zeros(shapes.num_classes, self.clusters, features))
        self.register_buffer("started", torch.zeros(shapes.num_classes, dtype=torch.bool))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        with torch.no_grad():
            rows = self.bank.with_batch(z, batch.y)
            centroids, started = self._moved(rows, self.centroids, self.started)
            held = rows._replace(member=rows.member * self._counted(rows))
            mixture = moments(held, F.one_hot(clusters.nearest(rows.points, centroids), self.clusters).to(z.dtype))
        if self.training:
            self.bank.push(z, batch.y)
            self.centroids.copy_(centroids)
            self.started.copy_(started)
        return self.lam * charged(z, batch.y, _log_share(z, batch.y, centroids), mixture, noise).mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        The centroids only assign; before there are any, every class is one cluster.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        log_share = _log_share(z, y, self.centroids)
        mixture = frozen(by_features(z, y, log_share, len(self.started)))
        return charged(z, y, log_share, mixture, noise).mean() / z.shape[1]

    def end_epoch(self, epoch: Epoch) -> None:
        if self.lam == 0 or bool(self.started.all()):
            return
        z = epoch.features().flatten(1)
        found = clusters.fit(z, epoch.y, len(self.started), self.clusters)
        self.centroids.copy_(torch.where(self.started[:, None, None], self.centroids, found.centroids))
        self.started |= found.counts.sum(1) > 0

    def _counted(self, rows: Rows) -> Tensor:
        """Return 1 for the features that moments are taken of, ``(K, n)``: without the batch where the bank is full."""
        of_bank = torch.arange(rows.member.shape[1], device=rows.member.device) < self.bank_size
        return (of_bank | (self.bank.seen < self.bank_size)[:, None]).to(rows.member.dtype)

    def _moved(self, rows: Rows, centroids: Tensor, started: Tensor) -> tuple[Tensor, Tensor]:
        """Return centroids after a step of Lloyd's algorithm, and which classes have any."""
        size = rows.member.sum(1).long()
        first = torch.arange(self.clusters, device=size.device) % size.clamp(min=1)[:, None]
        order = rows.member.argsort(dim=1, descending=True, stable=True)
        start = torch.take_along_dim(rows.points, order.gather(1, first)[..., None], dim=1)
        centroids = torch.where(started[:, None, None], centroids, start)
        onehot = F.one_hot(clusters.nearest(rows.points, centroids), self.clusters).to(rows.points.dtype)
        onehot = onehot * rows.member[..., None]
        counts = onehot.sum(1)[..., None]
        means = onehot.mT @ rows.points / counts.clamp(min=1)
        return torch.where(counts > 0, means, centroids), started | (size > 0)


def _log_share(z: Tensor, y: Tensor, centroids: Tensor) -> Tensor:
    """Return logarithms of shares that are 1 for the nearest centroid and next to nothing for others, ``(B, k)``."""
    nearest = clusters.nearest_own(z.detach(), y, centroids)
    return F.one_hot(nearest, centroids.shape[1]).to(z.dtype).clamp(min=FLOOR).log()
