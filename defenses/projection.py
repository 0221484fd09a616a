"""A frozen random orthogonal projection of the release, whose classes are drawn together.

References:
    LightSplit, arXiv 2605.13265, 2026 (its abstract; there is no public code).
    Stewart, The Efficient Generation of Random Orthogonal Matrices, 1980.
"""

import math

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.learned_noise import variance_within
from defenses.ranges import number


class Projection(Defense):
    """Releases ``P'P z``, P the first rows of a random orthogonal matrix, and penalises ``|P'P z - mu_y|^2``.

    Of the D features of an activation ``round((1 - dropped) D)`` random directions are kept, at least one; the device
    may send their coordinates, and P' is what the server lifts them back with, so that the shape stays. The compaction
    is the variance within classes of what is released but for noise, unbiased, pooled over the classes of a batch, mean
    over the features: the paper's mean squared distance to the class's mean. In squared units of an activation.

    A linear map that the attacker knows hides what it drops and nothing else. Alone (``lam`` 0) it is a row that should
    fail against any decoder, at the cost of a narrower bottleneck. Ours, for want of the paper's text: a projection
    over all features at once, class means of the batch, and the noise, which the channel adds after the lift.

    Args:
        dropped: Share of the directions that are dropped, in [0, 1): at 0 there is no compaction either. 32 times fewer
            dimensions, of which the paper tells, are .96875.
        lam: Weight of the compaction, >= 0.
    """

    strength = "dropped"
    strength_kind = "share"
    reference = "LightSplit, 2026, abstract"
    faithful = "ours"
    cost = "a product of every release with a square matrix"

    directions: Tensor
    """An orthogonal matrix, ``(D, D)``; its first rows are P."""
    num_classes: int

    def __init__(self, dropped: float = 0.75, lam: float = 0.1) -> None:
        super().__init__()
        self.dropped = number("dropped", dropped, most=1 - 1e-9)
        self.lam = number("lam", lam)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.num_classes = shapes.num_classes
        orthogonal, triangular = torch.linalg.qr(torch.randn(features, features))
        # signs by the other factor, or the matrix would not be uniform over all rotations
        self.register_buffer("directions", orthogonal.mT * triangular.diagonal().sign()[:, None])

    def forward(self, z: Tensor) -> Tensor:
        if self.dropped == 0:
            return z
        rows = self.directions[: max(1, round((1 - self.dropped) * len(self.directions)))]
        return (z.flatten(1) @ rows.mT @ rows).view_as(z)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the variance within classes of what is released."""
        if self.dropped == 0 or self.lam == 0:
            return super().penalty(batch)
        return self.lam * variance_within(batch.mean.float().flatten(1), batch.y, self.num_classes).mean()
