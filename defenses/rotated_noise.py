"""Gaussian noise of the best covariance for what it costs the task, in closed form, refitted after every epoch.

References:
    Cover and Thomas, Elements of Information Theory, 2006, section 10.3 (reverse water-filling).
    Xiao, Devadas, PAC Privacy: Automatic Privacy Measurement and Control of Data Processing, CRYPTO 2023 (noise in the
    eigenbasis of what is released).
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2 with one component per class and full covariance.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.likelihood import log_gaussian, surprise
from defenses.base import Batch, Defense, Epoch, Law, Shapes
from defenses.bounds import noise_variance
from defenses.ranges import flag, number
from defenses.waterfilling import optimal_noise

RIDGE = 1e-3
"""Share of the mean squared slope that every direction has at least: no noise is free."""


class RotatedNoise(Defense):
    """Adds the noise that task-aware water-filling allots, and penalises what is left of the information.

    With V the covariance of the activations within classes and G the second moment of the task's gradient on the
    releases (``1/2 tr(G N)`` is what noise of covariance N costs the task to second order), the noise in all minimises
    ``1/2 tr(G N) + lam / D * 1/2 log det(I + V N^-1)``: in the joint eigenbasis of V and G
    ``n = 1/2 (sqrt(v^2 + 4 mu v / g) - v)``, mu = lam / D. Isotropic noise is one of the candidates, and so is any that
    is diagonal (``learned_noise``). The channel's noise counts: the defense adds what is wanted beyond it, direction by
    direction, at most of deviation ``most``; so the whole is the optimum where in no direction less is wanted than the
    channel adds, and near it elsewhere. V and the class means are refitted after every epoch, G is gathered over its
    steps from the gradients of the batch's loss, which cost nothing. Another ``lam`` (``steer``) is solved for at once,
    with V and G of the last fit.

    The penalty is the same bound, ``1/2 log det(I + V (N + sigma^2 I)^-1) / D`` in nats a feature, against which
    ``lam`` trades the noise: the cross-entropy of releases under Gaussians about the classes' means with covariance
    V + N + sigma^2 I, less the entropy of the noise, in expectation over it. For any V and means it lies above
    I(x; z | y). ``trained: false`` leaves the client alone and pays nothing: the optimal-noise baseline, which every
    learned noise should beat at equal information. Of a term beside it that reads releases, G counts the gradient too.

    Args:
        lam: Price of the nats per feature, >= 0; at 0 there is no noise.
        most: Largest deviation of the noise in any direction, >= .0001, in units of an activation in (0, 1).
        trained: Whether the client pays for the information that is left.
    """

    strength = "lam"
    reference = "ours, after reverse water-filling; Xiao, Devadas, PAC Privacy, CRYPTO 2023 (noise in the eigenbasis)"
    faithful = "ours"
    bound = "upper"
    tightness = 1.1
    fits = True
    needs_noise = True
    cost = "products of every release with two square matrices, and the inverse of one"

    axes: Tensor
    """The noise's eigenvectors as columns, ``(D, D)``."""
    powers: Tensor
    """Variances along them, ``(D,)``, >= 0."""
    spread: Tensor
    """V along them, ``(D, D)``."""
    means: Tensor
    """Of the activations of each class, ``(K, D)``."""
    slopes: Tensor
    """Sum of the outer products of the task's gradients since the last fit, ``(D, D)``."""
    seen: Tensor
    """Images in that sum, ``()``."""
    channel: Tensor
    """Variance of the channel noise, ``()``; 0 before the first step."""
    fitted: Tensor
    """Whether V has been fitted, ``()``."""
    steepness: Tensor
    """G of the last fit, ``(D, D)``, float64; 0 before it."""
    solved: Tensor
    """The ``lam`` that ``axes`` and ``powers`` were solved for, ``()``, float64; -1 before."""

    def __init__(self, lam: float = 0.1, most: float = 1.0, trained: bool = True) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.most = number("most", most, least=1e-4)
        self.trained = flag("trained", trained)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        features = math.prod(shapes.activation)
        self.register_buffer("axes", torch.eye(features))
        self.register_buffer("powers", torch.zeros(features))
        self.register_buffer("spread", torch.zeros(features, features))
        self.register_buffer("means", torch.zeros(shapes.num_classes, features))
        self.register_buffer("slopes", torch.zeros(features, features))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("channel", torch.zeros(()))
        self.register_buffer("fitted", torch.tensor(False))
        self.register_buffer("steepness", torch.zeros(features, features, dtype=torch.float64))
        self.register_buffer("solved", torch.tensor(-1.0, dtype=torch.float64))
        before_loading: Callable[..., object] = self.register_load_state_dict_pre_hook
        before_loading(_as_of_now)

    def forward(self, z: Tensor) -> Tensor:
        if self.lam == 0:
            return z
        own = torch.randn_like(z).flatten(1) * self.powers.sqrt()
        return z + (own @ self.axes.mT).view(z.shape)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor | float:
        if self.lam == 0:
            return 0.0
        return (self.axes.square() @ self.powers).sqrt().view(z.shape[1:]).expand_as(z)

    def law(self, sigma: float) -> Law:
        return "surprise"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        along = (z - activation).flatten(1)
        if self.lam == 0:
            return surprise(log_gaussian(along, 0.0, sigma))
        return surprise(log_gaussian(along @ self.axes, 0.0, (self.powers + sigma**2).sqrt()))

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the bound, in nats per feature; 0 before the first fit, and of what is not trained."""
        if self.lam == 0:
            return super().penalty(batch)
        noise = noise_variance(batch.sigma)
        if self.training:
            self.channel.fill_(noise)
            if batch.z.requires_grad:
                batch.z.register_hook(self._learn)
        if not self.trained:
            return super().penalty(batch)
        charged = self._charged(batch.z_clean.float().flatten(1), batch.y, noise).mean() / len(self.powers)
        return self.lam * self.fitted * charged

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the upper bound on I(x; z | y) of the release with both noises, in nats per feature.

        Args:
            z_clean: Noise-free activations, ``(B, C, H, W)``.
            y: Labels, ``(B,)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        noise = self.powers + noise_variance(sigma)
        _, within = moments(z_clean.float().flatten(1) @ self.axes, y, len(self.means))
        total = within + noise.diag()
        told: Tensor = (torch.linalg.slogdet(total).logabsdet - noise.log().sum()) / (2 * len(noise))
        return told

    @torch.no_grad()
    def end_epoch(self, epoch: Epoch) -> None:
        if self.lam == 0:
            return
        means, within = moments(epoch.features().double().flatten(1), epoch.y, len(self.means))
        if self.seen > 0:
            slopes = self.slopes.double() / self.seen
            slopes.diagonal().add_(RIDGE * slopes.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny))
            self.steepness.copy_(slopes)
            self.slopes.zero_()
            self.seen.zero_()
            self._solve(within)
        self.means.copy_(means)
        self.spread.copy_(self.axes.double().mT @ within @ self.axes.double())
        self.fitted.fill_(True)

    @torch.no_grad()
    def steer(self, strength: float) -> None:
        super().steer(strength)
        if self.solved < 0 or self.solved == strength:
            return
        axes = self.axes.double()
        within = axes @ self.spread.double() @ axes.mT
        self._solve(within)
        self.spread.copy_(self.axes.double().mT @ within @ self.axes.double())

    def _solve(self, within: Tensor) -> None:
        """Take the noise that is best for V ``(D, D)``, G of the last fit and ``lam``."""
        powers, axes = torch.linalg.eigh(optimal_noise(within, self.steepness, self.lam / len(within)))
        self.axes.copy_(axes)
        self.powers.copy_((powers.clamp(max=self.most**2) - self.channel).clamp(min=0))
        self.solved.fill_(self.lam)

    def _learn(self, slope: Tensor) -> None:
        """Take in the gradient of a batch's mean loss on its releases, ``(B, C, H, W)``."""
        with torch.no_grad():
            of_image = len(slope) * slope.float().flatten(1)
            self.slopes += of_image.mT @ of_image
            self.seen += len(slope)

    def _charged(self, z: Tensor, y: Tensor, channel: float) -> Tensor:
        """Return the divergence of the noise at each activation from the Gaussian of its class, nats, ``(B,)``."""
        noise = self.powers + channel
        # the checked form would wait for the device in every step; with the noise there is nothing to check
        root = torch.linalg.cholesky_ex(self.spread + noise.diag()).L
        inverse = torch.cholesky_inverse(root)
        apart = (z - self.means[y]) @ self.axes
        logs = 2 * root.diagonal().log().sum() - noise.log().sum()
        told: Tensor = logs + (noise * inverse.diagonal()).sum() - len(noise) + (apart @ inverse * apart).sum(1)
        return told / 2


def _as_of_now(defense: nn.Module, state: dict[str, Any], prefix: str, *told: object) -> None:
    """Let a state that was saved before a strength could be solved for anew be loaded; it keeps its noise."""
    for name in ("steepness", "solved"):
        state.setdefault(prefix + name, getattr(defense, name))


def moments(z: Tensor, y: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return the means of classes ``(K, D)`` and the unbiased covariance within them, pooled over them, ``(D, D)``.

    Args:
        z: Activations, ``(N, D)``.
        y: Labels, ``(N,)``.
        num_classes: K.
    """
    own = F.one_hot(y, num_classes).to(z.dtype)
    counts = own.sum(0)
    means = own.mT @ z / counts.clamp(min=1)[:, None]
    apart = z - own @ means
    return means, apart.mT @ apart / (len(y) - (counts > 0).sum()).clamp(min=1)
