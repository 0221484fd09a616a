"""Gated attention and slots side by side, with covariances drawn to a common one; the smaller bound counts.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (the gate).
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020 (the slots).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.gated_closed import pooled
from defenses.gates import Gate
from defenses.mixtures import charged, frozen, moments, shrunk
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows, by_class
from defenses.slots import Slots


class FusionParallel(Defense):
    """Penalises the smaller of two bounds in each class: ``gated_closed``'s U_G and a slot mixture's U_S.

    In nats per feature, with U in nats::

        sum_y p_y -log(1/2 exp(-U_Gy) + 1/2 exp(-U_Sy)) / D

    which is at least the smaller bound and at most log 2 above it, so that it bounds I(x; z | y) / D. A slot's variance
    is drawn to the tied one, that of all slots of the class about their own centroids, not to the class's::

        (n_k v_k + shrinkage sum_j pi_j v_j) / (n_k + shrinkage)

    The batch pays its cross-entropy under them, which bounds for any variance. Gate and slots are each trained on their
    own bound, however far above the other. ``shrinkage`` is a setting: learned on features that the variances were
    taken from, it would run to 0. The memory and what is detached are ``slot_corrected``'s.

    Args:
        lam: Weight of the penalty, >= 0.
        slots: Slots of each class, >= 1.
        dim: Size of a slot, >= 1.
        hidden: Width of the gate, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
        shrinkage: Images that the tied variance counts for, >= 0.
    """

    strength = "lam"
    reference = (
        "Ours, with the gate of Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018, and Locatello "
        "et al., Object-Centric Learning with Slot Attention, NeurIPS 2020"
    )
    faithful = "ours"
    bound = "upper"
    tightness = 1.2
    cost = "a gate and slot attention over the batch and a bank of features, moments of the slots by class"
    needs_noise = True

    def __init__(
        self,
        lam: float = 0.1,
        slots: int = 8,
        dim: int = 64,
        hidden: int = 64,
        bank: int = 64,
        shrinkage: float = 16.0,
    ) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.num_slots = whole("slots", slots, least=1)
        self.dim = whole("dim", dim, least=1)
        self.hidden = whole("hidden", hidden, least=1)
        self.bank_size = whole("bank", bank, least=1)
        self.shrinkage = number("shrinkage", shrinkage)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.gate = Gate(features, self.hidden)
        nn.init.zeros_(self.gate.score.weight)  # uniform attention
        self.slots = Slots(features, shapes.num_classes, self.num_slots, self.dim)
        self.bank = Bank(shapes.num_classes, self.bank_size, features)

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
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-3}]

    def _bound(self, z: Tensor, y: Tensor, rows: Rows, noise: float) -> Tensor:
        tokens = self.slots.tokens(rows)
        slots = self.slots(tokens)
        with torch.no_grad():
            tied = shrunk(moments(rows, self.slots.logits(tokens.points, slots).softmax(-1)), self.shrinkage)
        log_share = self.slots.own_logits(z.detach(), y, slots).log_softmax(-1)
        gaussian, alone = pooled(self.gate, rows), z.new_zeros(len(z), 1)
        own = charged(z.detach(), y, alone, gaussian, noise) + charged(z.detach(), y, log_share, tied, noise)
        branches = [
            charged(z, y, alone, frozen(gaussian), noise),
            charged(z, y, log_share.detach(), tied, noise),
        ]
        nats = smaller(torch.stack(branches, dim=1), y, len(self.bank.seen)) + (own - own.detach()).mean()
        return nats / z.shape[1]


def smaller(nats: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Return the mean over features of the smooth minimum in their class, nats, ``()``.

    Args:
        nats: Each feature's part of two bounds, ``(B, 2)``.
        y: Labels, ``(B,)``.
        num_classes: K.
    """
    onehot = F.one_hot(y, num_classes).to(nats.dtype)
    members = onehot.sum(0)
    by_class = onehot.mT @ nats / members.clamp(min=1)[:, None]
    smooth = math.log(2) - torch.logsumexp(-by_class, dim=1)
    return (members * smooth).sum() / len(y)
