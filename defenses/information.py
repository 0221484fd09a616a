"""What every trial's release tells beyond the class, by the law of its noise, alike for all defenses.

References:
    Poole, Ozair, van den Oord, Alemi, Tucker, On variational bounds of mutual information, 2019.
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: theorem 2.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from defenses import diagnostics
from defenses.base import Defense
from defenses.diagnostics import Noise, diagnose

NAMES = (*diagnostics.NAMES, "codebook_nats", "codebook_nats_se", "codebook_nats_most")
VERSION = 2
"""Raised by every change that moves these numbers. 1: all noise taken for Gaussian."""
NO_NOISE = "some feature is released without noise: every bound is infinite"
MISSING = {
    "gaussian": NO_NOISE,
    "surprise": NO_NOISE,
    "atoms": NO_NOISE,
    "unknown": "the law of the defense's own noise is not known: it does not say that its surprise is exact",
}
"""Why all is null, by the law of the noise."""
CODEBOOK = 32
"""Most images of a class in its codebook, the first ones."""
DRAWS = 4
"""Releases of each image over which an expectation is taken."""
AT_ONCE = 2**22
"""Features compared at once."""


class Codebook(NamedTuple):
    """What a release tells of which image of a class it is of, each as likely, averaged over classes by their size."""

    nats: float
    """At most ``most``, and at least 0 but for the draws' chance."""
    error: float
    """Its standard error by the draws, the images given."""
    most: float
    """Logarithm of the number of images, averaged likewise."""


@torch.no_grad()
def information(defense: Defense, activation: Tensor, y: Tensor, sigma: float) -> dict[str, float | None]:
    """Return what releases tell of images beyond their class; draws noise from the global RNG.

    ``class_gaussian_nats``, ``mixture_nats``, their ``..._per_feature``, ``snr``
        As :func:`defenses.diagnostics.diagnose`: upper bounds on I(x; z | y), of whatever law the noise is known to be.
    ``codebook_nats``
        I(x; z | y) of images that are each one of the first ``CODEBOOK`` of its class given here: exact but for the
        draws (``codebook_nats_se``), and at most ``codebook_nats_most``. A lower bound on what releases tell of images
        of which there are more.

    Args:
        defense: Attached, in eval mode.
        activation: The client's, ``(N, C, H, W)``.
        y: Labels, ``(N,)``.
        sigma: Standard deviation of the channel noise, >= 0.

    Returns:
        The numbers by ``NAMES``; all None as ``MISSING`` says, some where no two images share a class.
    """
    law = defense.law(sigma)
    if law in ("atoms", "unknown"):
        return dict.fromkeys(NAMES)
    noise = _noise(defense, activation, sigma) if law == "surprise" else None
    found = diagnose(defense.mean(activation), y, sigma, defense.noise_std(activation), noise)
    if found["snr"] is None:
        return dict.fromkeys(NAMES)
    book = codebook(defense, activation, y, sigma)
    return found | dict(zip(NAMES[-3:], book or (None, None, None), strict=True))


def _noise(defense: Defense, activation: Tensor, sigma: float) -> Noise:
    """Return a draw of the noise, and what its entropy lacks of a Gaussian's, from ``DRAWS`` of them."""
    mean = defense.mean(activation)
    own = torch.as_tensor(defense.noise_std(activation), device=activation.device)
    variance, lack = (own.square() + sigma**2).expand_as(mean), []
    for _ in range(DRAWS):
        z = _released(defense, activation, sigma)
        e = z - mean
        # beside a Gaussian at the same place, whose entropy is known: most of the draws' chance cancels
        gaussian = (e.square() / variance + (2 * math.pi * variance).log()).flatten(1).sum(1) / 2
        lack.append(gaussian - _density(defense, z, activation, sigma))
    return Noise(e, float(torch.cat(lack).mean()))


def codebook(defense: Defense, activation: Tensor, y: Tensor, sigma: float) -> Codebook | None:
    """Return what releases tell of images of a codebook, one for each class; None if no two images share a class."""
    classes = [activation[y == label][:CODEBOOK] for label in y.unique()]
    told = [(nats, len(nats)) for nats in (_told(defense, each, sigma) for each in classes if len(each) > 1)]
    if not told:
        return None
    images = sum(count for _, count in told)
    by_draw = torch.cat([nats.double() for nats, _ in told])
    most = sum(count * math.log(count) for _, count in told) / images
    return Codebook(min(float(by_draw.mean()), most), float((by_draw.var(1).mean() / by_draw.numel()).sqrt()), most)


def _told(defense: Defense, activation: Tensor, sigma: float) -> Tensor:
    """Return ``log p(z | x) - log mean_x' p(z | x')`` of releases of each of n images, nats, ``(n, DRAWS)``."""
    count, own = len(activation), torch.arange(len(activation), device=activation.device)
    told = []
    for _ in range(DRAWS):
        z = _released(defense, activation, sigma)
        surprise = pairwise(defense, z, activation, sigma).double()
        told.append(math.log(count) - surprise[own, own] - (-surprise).logsumexp(1))
    return torch.stack(told, dim=1)


def pairwise(defense: Defense, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
    """Return the exact surprise at each release if the activations were each of those given, nats, ``(B, n)``.

    Args:
        defense: Attached.
        z: Releases, ``(B, C, H, W)``.
        activation: ``(n, C, H, W)``.
        sigma: Standard deviation of the channel noise, >= 0.
    """
    count = len(activation)
    rows = [
        defense.exact_surprise(z[part // count], activation[part % count], sigma)
        for part in _parts(len(z) * count, z[0].numel(), z.device)
    ]
    return torch.cat(rows).view(len(z), count)


def _parts(pairs: int, features: int, device: torch.device) -> Iterator[Tensor]:
    yield from torch.arange(pairs, device=device).split(max(1, AT_ONCE // features))


def _density(defense: Defense, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
    """Return the negative log-density of releases, nats, ``(B,)``."""
    return defense.exact_surprise(z, activation, sigma) + defense.normaliser(z[0].numel())


def _released(defense: Defense, activation: Tensor, sigma: float) -> Tensor:
    z: Tensor = defense(activation)
    return z + sigma * torch.randn_like(z)
