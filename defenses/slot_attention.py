"""The slot and gated cross-attention surrogate as it was proposed, and the rule that shuts it off.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
    Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, NeurIPS 2022.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.base import Batch, Defense, Faithful, Shapes
from defenses.bounds import noise_variance
from defenses.cem_code import TAU, published_weight
from defenses.mixtures import moments
from defenses.ranges import flag, number
from defenses.rows import Rows, by_class
from defenses.slots import CrossAttention, Slots

SCALE = 0.25
"""Factor of the penalty beside ``lam``."""
SLOTS, DIM = 8, 64
COSINE_SHARPNESS = 12.0
"""Factor of the cosine between slot and image before the softmax over slots."""
SNR_THRESHOLD, SNR_SHARPNESS = 0.25, 14.0
MOST_OPEN = 0.5
"""Mean of the hard gates above which the rule shuts the loss off."""
CALLS_SHUT = 100
"""Training steps that the rule begins with, shut off all the same."""
FLOOR = 1e-6
"""Added to variances before a logarithm."""


class SlotAttention(Defense):
    """Penalises the log-variance of 8 slots in each class; published is a rule that nearly always shuts the loss off.

    Slots attend to the batch's images of their class (3 rounds), cross-attention behind ``tanh(alpha)`` gates and a
    feed-forward layer refine them, images are shared out by cosine, and with v_k the slot's variances, pi_k its share::

        .25 sum_y M_y / B sum_k pi_k soft_k hard_k softplus(mean_d log(v_kd + 1e-6) - log(tau sigma^2 + 1e-6))

    soft_k is a learned sigmoid of the slot, ``hard_k = sigmoid(14 (snr_k - .25))`` with snr_k the slot's mean variance
    over the noise's. **The rule**: the loss is 0 whenever the hard gates' mean exceeds .5, and in the first 100 steps.
    Features with a signal above a quarter of the noise exceed it, so that a defense trained under the rule is the
    undefended network with noise: ``slot_shut_off``, a row of its own. Here the loss is shown at work. It is no bound
    on anything: the soft gates learn from the penalty, and nothing pays for what the slots tell.

    The number of slots, rounds and heads, the gates, the cosine and the rule are the public code's; slots of 64
    dimensions, variances of unnormalised features and the definition of snr_k are ours where the record is silent.
    The weight is ``lam * .001 / lr`` until the learning rate is below .00041, then ``lam``. Off in the first 3 of 240
    epochs. Use ``slot_corrected`` to defend.

    Args:
        lam: Weight in the published scale, not of nats per feature, >= 0; 16 was run.
        shut_off: Whether the rule is in force.
        warmup: Share of the training without the penalty, in [0, 1].
    """

    strength = "lam"
    reference = (
        "Public code of a proposal after Xia et al., CVPR 2025, with Locatello et al., Object-Centric Learning with "
        "Slot Attention, NeurIPS 2020, and Alayrac et al., Flamingo, NeurIPS 2022"
    )
    version = 2
    faithful: ClassVar[Faithful] = "ours"
    cost = "slot attention over the batch, differentiated through 3 rounds"
    needs_noise = True

    calls: Tensor
    """Training steps so far, int64, ``()``."""

    def __init__(self, lam: float = 16.0, shut_off: bool = False, warmup: float = 0.0125) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.shut_off = flag("shut_off", shut_off)
        self.warmup = number("warmup", warmup, most=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.slots = Slots(features, shapes.num_classes, SLOTS, DIM, detached=False)
        self.read = CrossAttention(DIM)
        self.mix = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))
        self.openings = nn.Parameter(torch.full((2,), 0.1))
        self.soft = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Linear(DIM, 1), nn.Sigmoid())
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.num_classes = shapes.num_classes

    def penalty(self, batch: Batch) -> Tensor:
        """Return the loss times ``lam`` and its factors; its unit is the public code's own."""
        if self.lam == 0 or (batch.published and batch.progress < self.warmup):
            return super().penalty(batch)
        loss, hard = self._loss(batch.signal, batch.y, batch.sigma)
        if self.shut_off:
            loss = loss * ((hard <= MOST_OPEN) & (self.calls >= CALLS_SHUT))
        if self.training:
            self.calls += 1
        return self.lam * published_weight(batch) * loss

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the loss without its weight, and without the rule, ``()``, >= 0.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        return self._loss(z_clean, y, sigma)[0]

    def _loss(self, z_clean: Tensor, y: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Return the loss, ``()``, and the mean of the hard gates, ``()``, in [0, 1]."""
        noise = noise_variance(sigma)
        rows = by_class(z_clean.float().flatten(1), y, self.num_classes)
        tokens = self.slots.tokens(rows)
        slots = self._refined(self.slots(tokens), tokens)
        cosine = F.normalize(tokens.points, dim=-1) @ F.normalize(slots, dim=-1).mT
        mixture = moments(rows, (COSINE_SHARPNESS * cosine).softmax(-1))
        excess = torch.log(mixture.variances + FLOOR).mean(-1) - math.log(TAU * noise + FLOOR)
        hard = torch.sigmoid(SNR_SHARPNESS * (mixture.variances.mean(-1) / noise - SNR_THRESHOLD))
        gated = mixture.weights * self.soft(slots)[..., 0] * hard * F.softplus(excess)
        members = rows.member.sum(1, keepdim=True)
        present = members > 0
        opened = (hard * present).sum() / (present.sum() * SLOTS)
        return SCALE * (gated * members).sum() / len(y), opened

    def _refined(self, slots: Tensor, tokens: Rows) -> Tensor:
        alpha, beta = torch.tanh(self.openings)
        slots = slots + alpha * self.read(slots, tokens)
        refined: Tensor = slots + beta * self.mix(slots)
        return refined
