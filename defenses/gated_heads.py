"""Several gated heads that share every image out among them: a mixture bound whose gates are trained.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (the gate).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.gates import Gate, normalised
from defenses.mixtures import by_features, charged, frozen, moments
from defenses.ranges import number, whole
from defenses.rows import Bank


class GatedHeads(Defense):
    """Penalises a mixture bound on I(x; z | y) whose components are M gated heads, in nats per feature.

    ``c_m(z)``, a softmax over heads and not over images, is head m's share of an image. With pi and v the heads' sizes
    and variances in class y::

        sum_y p_y [sum_m pi_ym 1/2 sum_d log(1 + v_ymd / sigma^2) + H(pi_y) - mean_i H(c(z_i))] / D

    The last two terms charge what the head tells about the image, so that it is a bound for any gate, and training the
    gate tightens it. Moments are those of the batch and of the last ``bank`` images of each class; the batch is charged
    its cross-entropy under them, which needs no gradient through moments. The gate's input is normalised and detached.

    Args:
        lam: Weight of the penalty, >= 0.
        heads: M, >= 1; 5 as CEM's public code has clusters.
        hidden: Width of the gate, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    strength = "lam"
    reference = "Ours, with the gate of Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018"
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "a gate over the batch and a bank of features, moments of M heads by class"
    needs_noise = True

    def __init__(self, lam: float = 0.1, heads: int = 5, hidden: int = 64, bank: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.heads = whole("heads", heads, least=1)
        self.hidden = whole("hidden", hidden, least=1)
        self.bank_size = whole("bank", bank, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.gate = Gate(features, self.hidden, self.heads)
        self.bank = Bank(shapes.num_classes, self.bank_size, features)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        with torch.no_grad():
            rows = self.bank.with_batch(z, batch.y)
            mixture = moments(rows, self._log_shares(rows.points).exp())
        if self.training:
            self.bank.push(z, batch.y)
        return self.lam * charged(z, batch.y, self._log_shares(z), mixture, noise).mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        log_share = self._log_shares(z)
        mixture = frozen(by_features(z, y, log_share, len(self.bank.seen)))
        return charged(z, y, log_share, mixture, noise).mean() / z.shape[1]

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "optimiser": "adam", "lr": 1e-3}]

    def _log_shares(self, z: Tensor) -> Tensor:
        """Return the logarithms of the heads' shares, ``(..., M)``, of features ``(..., D)``."""
        scores: Tensor = self.gate(normalised(z))
        return scores.log_softmax(-1)
