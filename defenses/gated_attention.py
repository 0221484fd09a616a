"""The gated-attention surrogate of conditional entropy as it was proposed: a penalty that its own gate can switch off.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (the gate).
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025 (the hinge).
"""

import math

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.cem_code import TAU, published_weight
from defenses.gates import Gate, over_members
from defenses.ranges import number
from defenses.rows import by_class

SCALE = 0.1
"""Factor of the penalty beside ``lam``."""
FLOOR = 1e-6
"""Least variance, and what is added before a logarithm."""


class GatedAttention(Defense):
    """Penalises a hinge on the log-variance, pooled by gated attention, of layer-normalised features of each class.

    With a the softmax over a class's images of gate scores, and v_d the variance under a of feature d of
    ``LayerNorm(z)``, the estimate is ``sum_y M_y / B mean_d max(0, log(v_d + 1e-6) - log(tau sigma^2 + 1e-6))`` over
    classes with M_y >= 2 images in the batch, tau = .125. Kept as published, it is no bound on anything:

    - shrinking the features leaves it as it is, since they are normalised, while the release tells less;
    - the gate and the normalisation are trained on the penalty too, and take it to 0 by attending to one image.

    Use ``gated_closed`` or ``gated_heads`` to defend. The released optimisation is followed: ``lam * .1``, scaled by
    ``.001 / lr`` until the learning rate is below .00041 as in ``cem_code``; its two backward passes are one here, and
    the gate learns by the recipe's SGD. Off in the first 5 of 240 epochs.

    Args:
        lam: Weight in the published scale, not of nats per feature, >= 0; 16 was run.
        warmup: Share of the training without the penalty, in [0, 1].
    """

    strength = "lam"
    reference = "Public code of a proposal after Xia et al., CVPR 2025, with the gate of Ilse et al., ICML 2018"
    faithful = "code"
    cost = "a gate over the batch"
    needs_noise = True

    def __init__(self, lam: float = 16.0, warmup: float = 0.021) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.warmup = number("warmup", warmup, most=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.num_classes = shapes.num_classes
        self.norm = nn.LayerNorm(features)
        self.gate = Gate(features, min(512, max(64, features // 4)))

    def penalty(self, batch: Batch) -> Tensor:
        """Return the hinge times ``lam`` and its factors; its unit is the public code's own."""
        if self.lam == 0 or (batch.published and batch.progress < self.warmup):
            return super().penalty(batch)
        weight = self.lam * SCALE * published_weight(batch)
        return weight * self.estimate(batch.signal, batch.y, batch.sigma)

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the hinge without its weight, ``()``, >= 0.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        floor = math.log(max(TAU * noise_variance(sigma), 1e-8) + FLOOR)
        rows = by_class(self.norm(z_clean.float().flatten(1)), y, self.num_classes)
        attention = over_members(self.gate(rows.points)[..., 0], rows)[:, None]
        means = attention @ rows.points
        variances = (attention @ (rows.points - means).square())[:, 0].clamp(min=FLOOR)
        hinge = torch.relu(torch.log(variances + FLOOR) - floor).mean(-1)
        members = rows.member.sum(1)
        return (hinge * members * (members >= 2)).sum() / len(y)
