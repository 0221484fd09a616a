"""Slots fused with the class-wise bound by one gate that interpolates between them.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
    Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, NeurIPS 2022 (the tanh gate).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import Mixture, charged, class_means, moments
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows, by_class
from defenses.slots import Slots

OPENING = 0.1
"""alpha at the start; at 0 its gradient vanishes, and the gate would stay shut."""
LEARNING_RATE, GATE_RATE = 1e-3, 3e-2
"""Of the slots, and of alpha: at the slots' own rate a single scalar takes thousands of steps to open."""


class FusionShortcut(Defense):
    """Penalises a slot mixture that a gate ``g = tanh(alpha)`` draws towards the class-wise Gaussian.

    Shares are the softmax of ``g`` times the slots' logits and centroids are ``mu_y + g (mu_yk - mu_y)``, with mu_y the
    class's mean and mu_yk that of the images so shared out. Variances are second moments about those centroids, and
    shares are charged, so that for any gate and any slots this bounds I(x; z | y) / D, in nats per feature::

        sum_y p_y [sum_k pi_yk 1/2 sum_d log(1 + v_ykd / sigma^2) + H(pi_y) - mean_i H(a(z_i))] / D

    At alpha = 0 all slots are the class and this is ``class_gaussian``'s bound exactly: where slots do not help,
    training alpha takes it back there. The memory, what is detached and the cross-entropy are ``slot_corrected``'s.

    Args:
        lam: Weight of the penalty, >= 0.
        slots: Slots of each class, >= 1.
        dim: Size of a slot, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = (
        "Ours, with Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020, and the gate of "
        "Alayrac et al., Flamingo, NeurIPS 2022"
    )
    version = 2
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "slot attention over the batch and a bank of features, moments of the slots by class"
    needs_noise = True

    def __init__(self, lam: float = 0.1, slots: int = 8, dim: int = 64, bank: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.num_slots = whole("slots", slots, least=1)
        self.dim = whole("dim", dim, least=1)
        self.bank_size = whole("bank", bank, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.slots = Slots(features, shapes.num_classes, self.num_slots, self.dim)
        self.bank = Bank(shapes.num_classes, self.bank_size, features)
        self.alpha = nn.Parameter(torch.tensor(OPENING))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z = batch.signal.float().flatten(1)
        rows = self.bank.with_batch(z.detach(), batch.y)
        if self.training:
            self.bank.push(z, batch.y)
        return self.lam * self._bound(z, batch.y, rows, noise_variance(batch.sigma))

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z = z_clean.float().flatten(1)
        return self._bound(z, y, by_class(z.detach(), y, len(self.bank.seen)), noise_variance(sigma))

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        slots = {"params": list(self.slots.parameters()), "optimiser": "adam", "lr": LEARNING_RATE}
        return [slots, {"params": [self.alpha], "optimiser": "adam", "lr": GATE_RATE}]

    def _bound(self, z: Tensor, y: Tensor, rows: Rows, noise: float) -> Tensor:
        gate, tokens = torch.tanh(self.alpha), self.slots.tokens(rows)
        slots = self.slots(tokens)
        with torch.no_grad():
            share = (gate * self.slots.logits(tokens.points, slots)).softmax(-1)
            found = moments(rows, share)
        log_share = (gate * self.slots.own_logits(z.detach(), y, slots)).log_softmax(-1)
        return charged(z, y, log_share, drawn(found, class_means(rows), gate), noise).mean() / z.shape[1]


def drawn(found: Mixture, centre: Tensor, gate: Tensor) -> Mixture:
    """Return the mixture with its means drawn to the class's ``(K, 1, D)``, and the moments about those."""
    away = found.means - centre
    variances = found.variances + ((1 - gate.detach()) * away).square()
    return found._replace(means=centre + gate * away, variances=variances)
