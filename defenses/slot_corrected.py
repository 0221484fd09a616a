"""A slot surrogate of conditional entropy that is a bound: slots share images out, geometry gives the variances.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import by_features, charged, frozen, moments
from defenses.ranges import number, whole
from defenses.rows import Bank, by_class
from defenses.slots import Slots


class SlotCorrected(Defense):
    """Penalises a mixture bound on I(x; z | y) whose components are slots, in nats per feature.

    With a_k(z) slot k's share of an image, pi and v the slots' sizes and variances in class y::

        sum_y p_y [sum_k pi_yk 1/2 sum_d log(1 + v_ykd / sigma^2) + H(pi_y) - mean_i H(a(z_i))] / D

    Against ``slot_attention``: variances are second moments about the centroids, of the features that are released; a
    memory of ``bank`` images of each class stands beside the batch; centroids, variances and the slots' input are
    detached; the last two terms charge what the slot tells about the image, without which the sum may fall below the
    truth; no learned gate weighs the loss, so that training the slots only tightens the bound; nothing shuts it off.
    The batch is charged its cross-entropy under the memory's moments. Slots pass a gradient in the last round alone.

    Args:
        lam: Weight of the penalty, >= 0.
        slots: Slots of each class, >= 1.
        dim: Size of a slot, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = "Ours, with Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020"
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

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        rows = self.bank.with_batch(z.detach(), batch.y)
        if self.training:
            self.bank.push(z, batch.y)
        tokens = self.slots.tokens(rows)
        slots = self.slots(tokens)
        with torch.no_grad():
            mixture = moments(rows, self.slots.logits(tokens.points, slots).softmax(-1))
        log_share = self.slots.own_logits(z.detach(), batch.y, slots).log_softmax(-1)
        return self.lam * charged(z, batch.y, log_share, mixture, noise).mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        num_classes = len(self.bank.seen)
        slots = self.slots(self.slots.tokens(by_class(z.detach(), y, num_classes)))
        log_share = self.slots.own_logits(z.detach(), y, slots).log_softmax(-1)
        mixture = frozen(by_features(z, y, log_share, num_classes))
        return charged(z, y, log_share, mixture, noise).mean() / z.shape[1]

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-3}]
