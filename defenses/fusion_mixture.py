"""A mixture density that slots draw from a memory, and the cross-entropy of fresh noisy activations under it.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
    Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, NeurIPS 2022 (gated cross-attention).
    Pichler et al., A Differential Entropy Estimator for Training Neural Networks (KNIFE), ICML 2022 (the bound).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import Mixture, divergences, log_ratio, moments
from defenses.ranges import number, whole
from defenses.rows import Bank, Rows, by_class
from defenses.slots import CrossAttention, Slots

OPENING = 0.1
"""alpha at the start; the projection starts at 0, so that the means are those of the slots all the same."""
LEARNING_RATE, GATE_RATE = 1e-3, 3e-2
"""Of slots and refinement, and of alpha: at their rate a single scalar takes thousands of steps to open."""
FEWEST = 4
"""Images of a class in the memory before it is charged."""


class FusionMixture(Defense):
    """Penalises the cross-entropy of noisy activations under a mixture fitted to earlier ones, in nats per feature.

    ``q(z | y) = sum_k pi_yk N(z; mu_yk, v_yk + sigma^2)``: slots share a memory of earlier batches out, which gives
    shares, means and variances, and cross-attention of the slots to the memory refines the means by ``tanh(alpha)``
    times a learned projection, 0 at the start. For any q::

        I(x; z | y) / D <= (E[-log q(z + e | y)] - H(e)) / D

    with fresh noise e. One half of every batch, at random, joins the memory that the mixture is drawn from; the other
    half is charged, so that the charge is held out, however few images a slot has. Client, slots and refinement all
    minimise it; the memory passes no gradient to the client. Classes with fewer than 4 images remembered pay nothing.

    Args:
        lam: Weight of the penalty, >= 0.
        slots: Slots of each class, >= 1.
        dim: Size of a slot, a positive multiple of 4.
        bank: Images of each class that are remembered, >= 4.
    """

    strength = "lam"
    reference = (
        "Ours, with Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020, Alayrac et al., "
        "Flamingo, NeurIPS 2022, and the bound of Pichler et al., KNIFE, ICML 2022"
    )
    version = 2
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "slot attention and cross-attention over a bank of features, densities of the slots"
    needs_noise = True

    def __init__(self, lam: float = 0.1, slots: int = 8, dim: int = 64, bank: int = 128) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.num_slots = whole("slots", slots, least=1)
        self.dim = whole("dim", dim, least=4)
        if self.dim % 4:
            raise ValueError(f"dim takes a multiple of 4, not {dim}")
        self.bank_size = whole("bank", bank, least=FEWEST)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.slots = Slots(features, shapes.num_classes, self.num_slots, self.dim)
        self.bank = Bank(shapes.num_classes, self.bank_size, features)
        self.read = CrossAttention(self.dim)
        self.shift = nn.Linear(self.dim, features)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)
        self.alpha = nn.Parameter(torch.tensor(OPENING))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature, measured on half the batch."""
        if self.lam == 0:
            return super().penalty(batch)
        z, y, noise = batch.signal.float().flatten(1), batch.y, noise_variance(batch.sigma)
        joining, fresh = torch.randperm(len(z), device=z.device).tensor_split([len(z) // 2])
        rows = self.bank.with_batch(z.detach()[joining], y[joining])
        if self.training:
            self.bank.push(z, y)
        known = (rows.member.sum(1) >= FEWEST)[y[fresh]]
        e = batch.sigma * torch.randn_like(z[fresh])
        nats = known * log_ratio(z[fresh], e, y[fresh], self._mixture(rows), noise)
        return self.lam * nats.mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        The mixture is that of the activations given, and the noise is averaged before the logarithm of the mixture,
        which makes the bound larger and the same at every call.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        mixture = self._mixture(by_class(z.detach(), y, len(self.bank.seen)))
        label = mixture.weights[y].clamp(min=1e-9).log()
        return -torch.logsumexp(label - divergences(z, y, mixture, noise), dim=1).mean() / z.shape[1]

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        others = [parameter for parameter in self.parameters() if parameter is not self.alpha]
        return [
            {"params": others, "optimiser": "adam", "lr": LEARNING_RATE},
            {"params": [self.alpha], "optimiser": "adam", "lr": GATE_RATE},
        ]

    def _mixture(self, rows: Rows) -> Mixture:
        """Return the mixture of the memory, differentiable in the slots and the refinement."""
        tokens = self.slots.tokens(rows)
        slots = self.slots(tokens)
        found = moments(rows, self.slots.logits(tokens.points, slots).softmax(-1))
        read = self.read(slots, tokens)
        # in units of the slot's own deviation, so that the refinement does not depend on the features' scale
        shift = self.shift(read) * found.variances.detach().sqrt()
        return found._replace(means=found.means + torch.tanh(self.alpha) * shift)
