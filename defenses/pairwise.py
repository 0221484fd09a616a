"""The information in a noisy release from how far the activations of a class are from one another.

References:
    Kolchinsky and Tracey, Estimating Mixture Entropy with Pairwise Distances, 2017.
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.bounds import noise_variance
from defenses.ranges import number
from defenses.rows import by_class

ROWS = 256
"""Activations that are compared with all others at once."""


class Pairwise(Defense):
    """Penalises Kolchinsky and Tracey's bound within every class, channel by channel, in nats per feature.

    ``sum_c -1/N sum_i log (1 / (N_y - 1)) sum_j exp(-|z_ic - z_jc|^2 / (2 sigma^2)) / D`` over the other members j of
    i's class, z_c being a channel of the activation. The noise is independent, so that channels' informations add up to
    no less than the whole's.

    The paper's sum includes j = i, which caps the value at log N_y with no gradient once activations are a few sigma
    apart. Without it the expectation is an upper bound for batches of any size. An image alone in its class counts for
    nothing. Where the recipe has no ramp, the squared noise is multiplied by a temperature that falls to 1
    geometrically: at the default the penalty pulls, as measured, some 40 times harder in the end. Under a ramp, by
    which all penalties start alike, it is 1 throughout.

    Args:
        lam: Weight of the penalty, >= 0.
        temperature: Multiple of the squared noise at the start of a training without a ramp, in [1, 10000].
    """

    strength = "lam"
    reference = "Kolchinsky and Tracey, Estimating Mixture Entropy with Pairwise Distances, 2017"
    version = 2
    faithful = "ours"
    bound = "upper"
    tightness = 16.0
    cost = "distances within the batch, of every channel"
    needs_noise = True

    def __init__(self, lam: float = 0.03, temperature: float = 64.0) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.temperature = number("temperature", temperature, least=1.0, most=1e4)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound at the step's temperature, in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        temperature = self.temperature ** (1 - batch.progress) if batch.published else 1.0
        return self.lam * pairwise_bound(batch.signal, batch.y, temperature * noise_variance(batch.sigma))

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y), in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        return pairwise_bound(z_clean, y, noise_variance(sigma))


def pairwise_bound(z: Tensor, y: Tensor, noise: float) -> Tensor:
    """Return the mean over activations and features, in nats per feature, ``()``; 0 if no two share a class.

    Args:
        z: Noise-free activations, ``(B, C, H, W)``.
        y: Labels, ``(B,)``.
        noise: Variance of the noise, > 0.
    """
    points, member = by_class((z - z.mean(0)).float().flatten(1), y, int(y.max()) + 1)
    channels = points.unflatten(2, (z.shape[1], -1)).transpose(1, 2)
    norms = channels.square().sum(-1)
    others = member.sum(1) - 1
    counted = member * (others >= 1)[:, None]
    index = torch.arange(member.shape[1], device=z.device)
    total = z.new_zeros(())
    for rows in index.split(ROWS):
        # a class of one or none is compared with all its rows and then not counted, so that no sum is empty
        other = (member > 0)[:, None] & (rows[:, None] != index) | (others < 1)[:, None, None]
        distance = norms[:, :, rows, None] + norms[:, :, None] - 2 * channels[:, :, rows] @ channels.mT
        closeness = torch.where(other[:, None], -distance.clamp(min=0) / (2 * noise), -torch.inf).logsumexp(-1)
        nats = others.clamp(min=1).log()[:, None, None] - closeness
        total = total + (nats * counted[:, None, rows]).sum()
    return total / (z[0].numel() * counted.sum().clamp(min=1))
