"""How far the derivative of a release pins its image down, and the least error that this leaves to any attack.

For any matrix K, and a law of images whose score s has E[s s'] = S, no estimate of x from z has a total squared error
below ``2 tr K - tr(K' (F + S) K)``, F = E[g g'] with g the derivative of log p(z | x): the van Trees inequality, whose
best K is (F + S)^-1, which gives the spectrum-aware bound tr((F + S)^-1). F is known from samples of g alone, and
tr((F + S)^-1) of a sampled F is too great in the mean. So K is made of some images and the bound taken on the others:
in the mean it is then a bound, however few the samples, and below the best one by what they cannot tell.

References:
    Gill, Levit, Applications of the van Trees inequality: a Bayesian Cramér-Rao bound, 1995.
    Maeng et al., Bounding the invertibility of privacy-preserving instance encoding using Fisher information, 2023.
    Hwang, Li, Maeng, 2026: the spectrum-aware bound, with the score of a diffusion model.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from defenses.information import MISSING
from harness.data import Part, to_float
from harness.models import LiveTarget

NAMES = ("fisher_per_pixel", "spectrum_bound", "spectrum_bound_se")
SAMPLES, FEWEST = 2048, 256
"""Derivatives that the bound is told from, about: as many as there are training images, between these, so that it costs
no more than a part of an epoch. Of fewer it is a lower one.
"""
IMAGES = 1024
"""Most images that these are of, the first ones."""
PRIOR = 1000
"""Most training images that a covariance is told from, the first ones."""
NUMBERS = 2**25
"""That are held of images at once: of large ones there are fewer, which lowers the bound."""
FOLDS = 4
"""Parts of the images, on each of which the bound is taken with a K of the others."""
AT_ONCE = 256
"""Images differentiated at once."""
LEAST = 1e-9
"""Variance below which a direction is taken for none."""
JUMPS = "what is released jumps as the image changes: a derivative tells nothing of it"
INFINITE = "the derivative of a release is not finite"
FEW = "it takes two scored images or more, and a class with two training images that differ"


class Seen(NamedTuple):
    """Derivatives of releases."""

    along: Tensor
    """Along each of some directions, ``(N, probes, r)``."""
    square: float
    """Mean of their squared norm: the trace of F."""


class Least(NamedTuple):
    """The least error that is possible, a mean over pixels."""

    mse: float
    """At least 0."""
    error: float
    """Its standard error over images."""


class Told(NamedTuple):
    """What derivatives of releases tell, by ``NAMES``."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    """Why a value is null, by its name."""


def fisher(target: LiveTarget, scored: Part, prior: Part) -> Told:
    """Return the bounds that rest on the derivative of releases; draws noise from the global RNG.

    ``fisher_per_pixel``
        tr F / n: what a defense by Fisher information holds down.
    ``spectrum_bound``
        Least mse if images are Gaussian within their class, with the covariance that training images have there, and
        the attacker knows the class: exact for a linear client. Of what these images cannot tell, nought.
    ``spectrum_bound_se``
        Its standard error over images.

    Args:
        target: The trained network; the one that is differentiated is that in float32.
        scored: Images that F is a mean over.
        prior: Training images, which tell the covariance.

    Returns:
        The numbers; null where the law of releases is not known, some feature has no noise, or what is released jumps.
    """
    pixels = scored.x[0].numel()
    most, known = (min(count, max(2, NUMBERS // pixels)) for count in (IMAGES, PRIOR))
    exact, x = target.differentiated(), to_float(scored.x[:most])
    root = within_classes(to_float(prior.x[:known]), prior.y[:known])
    missing = _missing(exact, x)
    if missing or root is None:
        return Told(dict.fromkeys(NAMES), dict.fromkeys(NAMES, missing or FEW))
    samples = max(FEWEST, min(SAMPLES, len(prior.y)))
    seen = derivatives(exact, x, -(-samples // len(x)), root)
    if not (math.isfinite(seen.square) and bool(seen.along.isfinite().all())):
        return Told(dict.fromkeys(NAMES), dict.fromkeys(NAMES, INFINITE))
    bound = least(seen.along, root.square().sum(1), pixels)
    return Told(dict(zip(NAMES, (seen.square / pixels, *bound), strict=True)), {})


def _missing(target: LiveTarget, x: Tensor) -> str | None:
    """Return why there is no bound; null if there is."""
    law = target.defense.law(target.sigma)
    if law in ("atoms", "unknown") or not noisy(target, x[:1]):
        return MISSING[law]
    if target.defense.jumps:
        return JUMPS
    return FEW if len(x) < 2 else None


@torch.no_grad()
def noisy(target: LiveTarget, x: Tensor) -> bool:
    """Return whether every feature of a release has noise."""
    own = torch.as_tensor(target.noise_std(target.activation(x)))
    return bool((own.square() + target.sigma**2 > 0).all())


def derivatives(target: LiveTarget, x: Tensor, probes: int, root: Tensor) -> Seen:
    """Return what the derivative of log p(z | x) is at fresh releases of each image.

    Args:
        target: What releases, its law known but for a constant.
        x: Images, ``(N, C, H, W)``.
        probes: Releases of each, >= 1.
        root: Directions that it is looked at along, ``(r, pixels)``.
    """
    through, rows, squares = root.T.to(x.dtype), [], 0.0
    for _ in range(probes):
        for part in x.split(AT_ONCE):
            slope = _derivative(target, part)
            rows.append(slope @ through)
            squares += float(slope.double().square().sum())
    return Seen(torch.cat(rows).view(probes, len(x), -1).transpose(0, 1), squares / (probes * len(x)))


def _derivative(target: LiveTarget, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    activation = target.activation(x)
    with torch.no_grad():
        z = target.defense(activation) + target.sigma * torch.randn_like(activation)
    surprise = target.defense.exact_surprise(z, activation, target.sigma).sum()
    (slope,) = torch.autograd.grad(surprise, x)
    return slope.flatten(1)


def within_classes(x: Tensor, y: Tensor) -> Tensor | None:
    """Return a root A, ``(r, pixels)`` float64, of the covariance A'A of images within their classes.

    Its rows are orthogonal: the principal axes, each as long as its deviation.

    Args:
        x: Images, ``(N, C, H, W)``.
        y: Labels, ``(N,)``.

    Returns:
        The root; None if no two images of a class differ.
    """
    flat = x.flatten(1).double()
    centred = torch.cat([flat[y == label] - flat[y == label].mean(0) for label in y.unique()])
    free = len(flat) - len(y.unique())
    if free < 1:
        return None
    few = len(centred) < centred.shape[1]
    gram = centred @ centred.T if few else centred.T @ centred
    values, vectors = torch.linalg.eigh(gram)
    kept = values > LEAST * free
    if not kept.any():
        return None
    values, vectors = values[kept], vectors[:, kept].T
    axes = vectors @ centred / values.sqrt()[:, None] if few else vectors
    root: Tensor = axes * (values / free).sqrt()[:, None]
    return root


def least(p: Tensor, spread: Tensor, pixels: int) -> Least:
    """Return the bound from derivatives in coordinates in which the law of images has S = I.

    Args:
        p: Derivatives times a root of the images' covariance, ``(N, probes, r)``, N >= 2.
        spread: Square of the length of each coordinate in the image, ``(r,)``.
        pixels: Numbers that an image has; the error is a mean over them.
    """
    spread = spread.to(p.dtype)
    folds = torch.arange(len(p), device=p.device) % min(FOLDS, len(p))
    by_image = p.new_empty(len(p))
    for fold in folds.unique():
        inside = folds == fold
        by_image[inside] = _errors(p[~inside].flatten(0, 1), p[inside], spread)
    told = by_image.double() / pixels
    return Least(max(0.0, float(told.mean())), float(told.std()) / len(told) ** 0.5)


def _errors(fitted: Tensor, held: Tensor, spread: Tensor) -> Tensor:
    """Return ``2 tr K - tr(K' S K) - |K g|^2`` of images, ``(n,)``, with K of others.

    K is (F + S)^-1 with their F, drawn to its diagonal by as much as so few derivatives leave it to chance.

    Args:
        fitted: The others' derivatives, ``(m, r)``.
        held: Of these images, ``(n, probes, r)``.
        spread: ``(r,)``.
    """
    count, size = fitted.shape
    chance = size / (size + count)
    information = fitted.T @ fitted / count
    drawn = information + chance * (information.diagonal().diag() - information)
    k = torch.linalg.inv(drawn + torch.eye(size, dtype=fitted.dtype, device=fitted.device))
    most = (spread * (2 * k.diagonal() - k.square().sum(1))).sum()
    errors: Tensor = most - ((held @ k).square() * spread).sum(-1).mean(1)
    return errors
