"""Bounds on what a release tells beyond the class, by moments and mixtures of what is released.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2.
    Pichler et al., A Differential Entropy Estimator for Training Neural Networks (KNIFE), ICML 2022.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from defenses import clusters, covariance
from defenses.mixtures import Mixture, log_ratio, moments
from defenses.rows import by_class, ranks

NAMES = (
    "class_gaussian_nats",
    "class_gaussian_nats_per_feature",
    "mixture_nats",
    "mixture_nats_per_feature",
    "covariance_nats",
    "covariance_nats_per_feature",
    "snr",
)
COMPONENTS = 5
"""Most components of a class."""
PER_COMPONENT = 20
"""Images that a component needs."""
SHRINKAGE = 16.0
"""Images that a tied variance counts for."""


class Noise(NamedTuple):
    """What is known of noise that is not Gaussian."""

    e: Tensor
    """A draw of it for each image, less its mean, of the shape of the activations."""
    negentropy: float
    """Nats by which its entropy falls short of a Gaussian's with the same variances, averaged over images, >= 0."""


@torch.no_grad()
def diagnose(
    z_clean: Tensor, y: Tensor, sigma: float, noise_std: Tensor | float = 0.0, noise: Noise | None = None
) -> dict[str, float | None]:
    """Return estimates of I(x; z | y) and the signal-to-noise ratio; draws noise from the global RNG.

    ``class_gaussian_nats``
        Upper bound ``sum_y p_y 1/2 sum_d log(1 + v_yd / s_d)`` with the variances v of the images given and s that of
        the noise. Below its truth by about D / (2 n) for n images of a class.
    ``mixture_nats``
        Cross-entropy of noisy activations under a mixture of their class fitted to the other half of the images, less
        the noise's entropy, averaged over both halves. Held out, so that its mean is an upper bound at any n.
    ``covariance_nats``
        The same under Gaussians with the full covariance within classes of the other half, pooled over classes, drawn
        to its diagonal by several shares that are mixed (:mod:`defenses.covariance`): it knows that features repeat one
        another, where the others count each by itself.
    ``..._per_feature``
        The same over D.
    ``snr``
        ``mean_d v_yd / s_d``, averaged over images: the linear signal-to-noise ratio within classes.

    Noise that depends on the image is averaged over images, and the entropy it lacks by that is charged; so is what
    noise that is not Gaussian lacks of a Gaussian's entropy, since of all noise with given variances Gaussian noise
    hides most.

    Args:
        z_clean: What would be released but for noise, ``(N, C, H, W)``.
        y: Labels, ``(N,)``.
        sigma: Standard deviation of the channel noise, >= 0.
        noise_std: Standard deviation of what the defense adds itself, >= 0, of ``z_clean``'s shape or broadcast to it.
        noise: Of a defense whose own noise is not Gaussian; None for Gaussian noise.

    Returns:
        The numbers by ``NAMES``; all None where some feature has no noise, those that are held out where no class has
        two images.
    """
    own = torch.as_tensor(noise_std, device=z_clean.device).float()
    variance = (own.square() + sigma**2).expand_as(z_clean).flatten(1)
    if not bool((variance > 0).all()):
        return dict.fromkeys(NAMES)
    averaged = variance.mean(0)
    gap = (averaged.log() - variance.log().mean(0)).sum() / 2 + (noise.negentropy if noise else 0.0)
    z, relative = z_clean.float().flatten(1) / averaged.sqrt(), variance / averaged
    e = noise.e.flatten(1) / averaged.sqrt() if noise else torch.randn_like(z) * relative.sqrt()
    gaussian, snr = _class_gaussian(z, relative, y)
    bounds = (gaussian, *(_held_out(z, e, y) if bool((y.bincount() > 1).any()) else (None, None)))
    whole = [None if bound is None else float(bound + gap) for bound in bounds]
    told = [number for nats in whole for number in (nats, None if nats is None else nats / z.shape[1])]
    return dict(zip(NAMES, (*told, float(snr)), strict=True))


def _class_gaussian(z: Tensor, relative: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bound in nats, ``()``, and the ratio, ``()``, of features ``(N, D)`` in units of the averaged noise.

    Args:
        z: Noise-free features.
        relative: Variance of the noise on each, ``(N, D)``, > 0, its mean 1.
        y: Labels, ``(N,)``.
    """
    rows = by_class(z, y, int(y.max()) + 1)
    variances = moments(rows, rows.member[..., None]).variances[:, 0]
    share = rows.member.sum(1) / len(y)
    # of a class whose noise is not the average one, what the Gaussian of the averaged noise costs
    noise = (by_class(relative, y, len(share)).points * rows.member[..., None]).sum(1) / rows.member.sum(1).clamp(
        min=1
    )[:, None]
    nats = torch.log1p(variances) + (noise - 1) / (variances + 1)
    return share @ nats.sum(1) / 2, share @ variances.mean(1)


def _held_out(z: Tensor, e: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropies less the averaged noise's entropy, nats, ``()``, of features and their noise.

    Under diagonal mixtures and under full covariances of the other half. Some class has two images or more.

    Args:
        z: Noise-free features, ``(N, D)``, in units of the averaged noise.
        e: Their noise.
        y: Labels, ``(N,)``.
    """
    num_classes = int(y.max()) + 1
    rank, counts = ranks(y, num_classes)
    half, shared = rank % 2 == 0, (counts > 1)[y]
    diagonal, full = [], []
    for fit, held in ((half, ~half), (~half, half)):
        mixture, held = _fitted(z[fit], y[fit], num_classes), held & shared
        diagonal.append(log_ratio(z[held], e[held], y[held], mixture, 1.0))
        full.append(covariance.charged(z[fit], y[fit], z[held], e[held], y[held], num_classes))
    return torch.cat(diagonal).mean(), torch.cat(full).mean()


def _fitted(z: Tensor, y: Tensor, num_classes: int) -> Mixture:
    """Return the mixture of k-means clusters, variances drawn to those of the class, and these to all classes'."""
    typical = len(y) // max(1, len(y.unique()))
    components = max(1, min(COMPONENTS, typical // PER_COMPONENT))
    found = clusters.fit(z, y, num_classes, components)
    counts = found.counts[..., None]
    squares = (counts * found.variances).sum(1, keepdim=True)
    members, lost = counts.sum(1, keepdim=True), (counts > 0).sum(1, keepdim=True)  # a mean costs a degree of freedom
    pooled = squares.sum(0) / (members - lost).sum(0).clamp(min=1)
    tied = (squares + SHRINKAGE * pooled) / (members - lost + SHRINKAGE)
    variances = (counts * found.variances + SHRINKAGE * tied) / (counts + SHRINKAGE)
    weights = found.counts / found.counts.sum(1, keepdim=True).clamp(min=1)
    return Mixture(weights, found.centroids, variances, found.counts)
