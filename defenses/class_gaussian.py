"""The class-wise Gaussian bound on what a noisy release tells beyond the class, dimension by dimension.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2 with one component per class and diagonal covariance.
    Chan et al., Algorithms for Computing the Sample Variance, 1983 (merging moments).
"""

import math

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Shapes
from defenses.bounds import noise_variance
from defenses.mixtures import Mixture, by_features, charged, frozen
from defenses.ranges import number, whole


class ClassGaussian(Defense):
    """Penalises ``sum_y p_y 1/2 sum_d log(1 + v_yd / sigma^2) / D >= I(x; z | y) / D``, in nats per feature.

    v_yd is the variance of feature d of D within class y: a Gaussian has the largest entropy of its variance, and
    dropping covariances only adds entropy. Departing from theorem 2, a class is one component, so that nothing has to
    be clustered.

    A batch holds a dozen images of a class or none, too few for variances. Means and variances are those of the last
    ``window`` images of the class, older ones fading, and the batch is charged its cross-entropy under them, whose
    gradient is that of the bound when the batch is the whole window.

    Args:
        lam: Weight of the penalty, >= 0.
        window: Images of a class that its moments remember, >= 2.
    """

    strength = "lam"
    reference = (
        "Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for "
        "Collaborative Inference Systems, CVPR 2025 (theorem 2 with one component per class)"
    )
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    cost = "moments of the batch by class"
    needs_noise = True

    counts: Tensor
    """Images that the moments stand for, ``(K,)``, in [0, window]."""
    means: Tensor
    """``(K, D)``."""
    variances: Tensor
    """``(K, D)``, >= 0."""

    def __init__(self, lam: float = 0.1, window: int = 256) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.window = whole("window", window, least=2)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        size = (shapes.num_classes, math.prod(shapes.activation))
        self.register_buffer("counts", torch.zeros(size[0]))
        self.register_buffer("means", torch.zeros(size))
        self.register_buffer("variances", torch.zeros(size))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound in nats per feature."""
        if self.lam == 0:
            return super().penalty(batch)
        z, noise = batch.signal.float().flatten(1), noise_variance(batch.sigma)
        moved = self._moved(z.detach(), batch.y)
        if self.training:
            self.counts.copy_(moved.counts[:, 0].clamp(max=self.window))
            self.means.copy_(moved.means[:, 0])
            self.variances.copy_(moved.variances[:, 0])
        return self.lam * charged(z, batch.y, z.new_zeros(len(z), 1), moved, noise).mean() / z.shape[1]

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the activations themselves, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        z, noise = z_clean.float().flatten(1), noise_variance(sigma)
        whole_class = z.new_zeros(len(z), 1)
        mixture = frozen(by_features(z, y, whole_class, len(self.counts)))
        return charged(z, y, whole_class, mixture, noise).mean() / z.shape[1]

    def _moved(self, z: Tensor, y: Tensor) -> Mixture:
        """Return the moments of every class after a batch ``(B, D)``."""
        batch = by_features(z, y, z.new_zeros(len(z), 1), len(self.counts))
        before = self.counts[:, None]
        counts = before + batch.counts
        share = (batch.counts / counts.clamp(min=1))[..., None]
        shift = batch.means - self.means[:, None]
        means = self.means[:, None] + share * shift
        within = (1 - share) * self.variances[:, None] + share * batch.variances
        return Mixture(torch.ones_like(counts), means, within + share * (1 - share) * shift.square(), counts)
