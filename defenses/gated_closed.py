"""Gated attention over the images of a class, closed into a bound that its gate cannot push below the truth.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (the gate).
"""

import math
from typing import Any

from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.gates import Gate, normalised, over_members
from defenses.mixtures import Mixture, charged
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows, by_class


class GatedClosed(Defense):
    """Penalises the cross-entropy of a class under the Gaussian that gated attention pools from it.

    With attention a over the images of class y, ``mu = sum_i a_i z_i``, ``v_d = sum_i a_i (z_id - mu_d)^2 / (1 - sum_i
    a_i^2)`` and m_d the plain mean of ``(z_id - mu_d)^2``, in nats per feature::

        sum_y p_y 1/2 sum_d [log((v_d + sigma^2) / sigma^2) + (m_d + sigma^2) / (v_d + sigma^2) - 1] / D

    which bounds I(x; z | y) / D for any attention and is the class-Gaussian bound for a uniform one. Attention on few
    images makes v small and the second term large: what ``gated_attention`` gains by it is lost here.

    The gate looks at features normalised over the image; moments are of the features that are released. Attention
    spans the batch and the last ``bank`` images of each class. The client's gradient is that of m alone.

    Args:
        lam: Weight of the penalty, >= 0.
        hidden: Width of the gate, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = "Ours, with the gate of Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018"
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "a gate over the batch and a bank of features"
    needs_noise = True

    def __init__(self, lam: float = 0.1, hidden: int = 64, bank: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.hidden = whole("hidden", hidden, least=1)
        self.bank_size = whole("bank", bank, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.gate = Gate(features, self.hidden)
        nn.init.zeros_(self.gate.score.weight)  # uniform attention
        self.bank = Bank(shapes.num_classes, self.bank_size, features)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        mixture = pooled(self.gate, self.bank.with_batch(z.detach(), batch.y))
        if self.training:
            self.bank.push(z, batch.y)
        return self.lam * charged(z, batch.y, z.new_zeros(len(z), 1), mixture, noise).mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        mixture = pooled(self.gate, by_class(z.detach(), y, len(self.bank.seen)))
        return charged(z, y, z.new_zeros(len(z), 1), mixture, noise).mean() / z.shape[1]

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-3}]


def pooled(gate: Gate, rows: Rows) -> Mixture:
    """Return each class's Gaussian by gated attention over its features, differentiable in the gate."""
    attention = over_members(gate(normalised(rows.points))[..., 0], rows)[..., None]
    means = attention.mT @ rows.points
    spread = attention.mT @ (rows.points - means).square()
    unbiased = (1 - attention.square().sum(1, keepdim=True)).clamp(min=0.5)
    counts = rows.member.sum(1, keepdim=True)
    return Mixture(counts.clamp(max=1), means, spread / unbiased, counts)
