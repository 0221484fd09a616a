"""Training that makes a release forget its image's distances, its channels repeat nothing, and its values small.

References:
    SiftFunnel, arXiv 2501.00824, 2025, and its public code (GOERAHG214/SiftFunnel, 2025).
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.distance_correlation import distance_correlation
from defenses.ranges import number, whole

DISTANCES, SIZE, CHANNELS = 2.0, 0.03, 2.0
"""Weights of the public code's parts, beside a task of weight 5."""
LEAST_DEVIATION = 1e-6
"""Least deviation of a channel over places, which keeps a constant one's correlations at 0."""


class SiftFunnel(Defense):
    """Penalises ``2 dCor(x, z) + .03 mean|z| + 2 mean_b mean_{cc'} corr_b(c, c')^2``.

    dCor is the distance correlation of images and releases within the batch, and corr_b the Pearson correlation of two
    channels over the places of one image's release, each with itself included. Pure numbers, but for the unit of z.

    The public code weighs the task by 5, so that its balance is ``lam`` .2, and smooths its labels by .25:
    ``train/label_smoothing`` is a factor of the recipe here. It drops the penalty after 300 epochs: here after
    ``until`` where the recipe is ``published``. Not followed: its funnel (a client with triplet attention, a server
    that enlarges), which is a network and no defense, and 64 pixels a side; releases have the channel noise.

    Args:
        lam: Weight of the sum, >= 0.
        until: Epochs after which the ``published`` recipe pays nothing, >= 1.
    """

    strength = "lam"
    reference = "SiftFunnel, 2025, public code"
    faithful = "ours"
    cost = "distances between all images of a batch, and correlations between channels"

    def __init__(self, lam: float = 0.2, until: int = 300) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.until = whole("until", until, least=1)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the sum of the three parts."""
        if self.lam == 0 or (batch.published and batch.epoch >= self.until):
            return super().penalty(batch)
        of_distances = distance_correlation(batch.x, batch.z)
        parts = DISTANCES * of_distances + SIZE * batch.z.abs().mean() + CHANNELS * repeated(batch.z)
        return self.lam * parts


def repeated(z: Tensor) -> Tensor:
    """Return the mean squared correlation of channels over the places of one activation, ``()``, in [1 / C, 1].

    Args:
        z: Activations, ``(B, C, H, W)``; a constant channel correlates with none, itself included.
    """
    values = z.float().flatten(2)
    values = values - values.mean(2, keepdim=True)
    unit = values / (values.square().sum(2, keepdim=True) + LEAST_DEVIATION**2).sqrt()
    return torch.matmul(unit, unit.mT).square().mean()
