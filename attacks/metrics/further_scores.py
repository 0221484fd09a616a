"""What else a reconstruction tells of its image: who is extracted, which class leaks most, what moves or colours hide.

References:
    Carlini, Hayes, Nasr, Jagielski, Sehwag, Tramèr, Balle, Ippolito, Wallace, Extracting training data from diffusion
    models, 2023.
    Zhang, Isola, Efros, Shechtman, Wang, The unreasonable effectiveness of deep features as a perceptual metric, 2018.
"""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from attacks.metrics.pinned import PerImage, score
from attacks.metrics.registration import registered
from attacks.metrics.worst_class import worst_class

PERCEIVED = 1000
"""Most images, the first ones, of which the perceptual distance is taken."""
EXTRACTION = 200
"""Images, the first ones of the part, that an extracted one must be nearer than."""
_NEAREST, _ALPHA, _SSIM, _DELTAS = 50, 0.5, 0.3, (0.10, 0.15)
_AT_ONCE = 256
_LPIPS_FILE, _LPIPS_SIDE = "alexnet-owt-7be5be79.pth", 31

FURTHER = {
    "version": 2,
    "mse_colour_removed": "mse after the mean of each channel is taken off both images",
    f"ssim_above_{_SSIM}": f"share of images whose ssim exceeds {_SSIM}",
    "worst_class_mse": "mse to be expected of the class that leaks most: the least class mean, each drawn towards the "
    "mean of all by the share of its deviation that chance explains (empirical Bayes, variances by moments)",
    "worst_class_mse_se": "its standard error",
    "mse_5th_percentile": "5th percentile of the mse of an image: the images that leak most",
    **{f"extracted_{delta:.2f}": f"share of images whose root mse is at most {delta}" for delta in _DELTAS},
    f"extracted_among_{EXTRACTION}": f"share of images x with |x_hat - x| < {_ALPHA} times the mean of |x_hat - s| "
    f"over the {_NEAREST} nearest to x_hat of the first {EXTRACTION} images s of the part, x apart",
    "registered_mse": "mse of the reconstruction rolled by up to an eighth of its sides, and mirrored or not, as is "
    f"nearest to the image, mean over at most the first {PERCEIVED} images: below mse by chance too, so it is compared "
    "with that of the undefended network",
    "registered_ssim": "ssim of the same, or of the reconstruction as it is where that is more",
    "lpips": f"learned perceptual distance by AlexNet, mean over at most the first {PERCEIVED} images",
}
"""The definition of every further score; what is in [0, 1] and says ``share`` leaks more if it is higher."""

FORMER = {
    "identification_1": "share of images nearest to their reconstruction, by mse, among as many candidates as there "
    "are images, at most 1,000: no attacker's best guess, and its chance changes with their number",
    "identification_5": "the same for the five nearest",
    "identification_candidates": "number of these candidates",
    "mse_worst_class": "least mean mse of a class, chance included: too low",
    "extracted_adaptive": "as extracted_among_200, among as many candidates as there are images",
}
"""Scores that only older records have."""


class Further(NamedTuple):
    """Further scores, each by its name in ``FURTHER``."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    """Why a value is null, by its name."""


@torch.no_grad()
def further(
    x_hat: Tensor,
    x: Tensor,
    y: Tensor,
    per_image: PerImage,
    mse_means: Tensor | None = None,
    part: Tensor | None = None,
) -> Further:
    """Return what else reconstructions tell of their images (``FURTHER``), computed on the images' device.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)``; clamped to [0, 1].
        x: Images, ``(N, 3, height, width)``: float32 in [0, 1], or uint8.
        y: Their labels, ``(N,)``, int64, >= 0.
        per_image: Their scores.
        mse_means: The mse of each image over all releases of it, ``(N,)``; null for one.
        part: All images of the part, of which these are the first, likewise; null if these are all.

    Raises:
        ValueError: the shapes differ.
    """
    if x_hat.shape != x.shape or len(y) != len(x):
        raise ValueError(f"{tuple(x_hat.shape)} reconstructions, {tuple(x.shape)} images, {len(y)} labels do not agree")
    others = _as_unit((x if part is None else part)[:EXTRACTION])
    x_hat, x = x_hat.float().clamp(0, 1), _as_unit(x)
    mse = per_image.mse.double()
    colour = (x_hat - x).mean(dim=(2, 3)).double().square().mean(1)
    found = {"mse_colour_removed": (mse - colour).clamp_min(0).mean()}
    found[f"ssim_above_{_SSIM}"] = (per_image.ssim > _SSIM).double().mean()
    found["mse_5th_percentile"] = mse.quantile(0.05)
    found |= _registered(x_hat[:PERCEIVED], x[:PERCEIVED], per_image)
    found |= {f"extracted_{delta:.2f}": (mse.sqrt() <= delta).double().mean() for delta in _DELTAS}
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    measured = zip(found, torch.stack(list(found.values())).tolist(), strict=True)
    apart: list[tuple[str, float | str]] = [
        *_worst_class(mse if mse_means is None else mse_means, y),
        (f"extracted_among_{EXTRACTION}", _extracted(x_hat, x, others)),
        ("lpips", _lpips(x_hat[:PERCEIVED], x[:PERCEIVED])),
    ]
    for name, value in (*measured, *apart):
        finite = isinstance(value, float) and numpy.isfinite(value)
        values[name] = value if finite else None
        if not finite:
            reasons[name] = value if isinstance(value, str) else "a reconstruction is not finite"
    return Further(values, reasons)


def _as_unit(x: Tensor) -> Tensor:
    return x.float() / (255 if x.dtype == torch.uint8 else 1)


def _registered(x_hat: Tensor, x: Tensor, per_image: PerImage) -> dict[str, Tensor]:
    """Return mse and ssim of reconstructions that are moved to where they fit, ``()`` each, never the worse for it."""
    pairs = zip(x_hat.split(_AT_ONCE), x.split(_AT_ONCE), strict=True)
    moved = score(torch.cat([registered(left, right) for left, right in pairs]), x)
    still = PerImage(*(column[: len(x)] for column in per_image))
    mse, ssim = torch.minimum(moved.mse, still.mse), torch.maximum(moved.ssim, still.ssim)
    return {"registered_mse": mse.double().mean(), "registered_ssim": ssim.double().mean()}


def _worst_class(mse: Tensor, y: Tensor) -> list[tuple[str, float | str]]:
    found = worst_class(mse, y)
    told = ("no two images share a class",) * 2 if found is None else (found.mean, found.error)
    return list(zip(("worst_class_mse", "worst_class_mse_se"), told, strict=True))


def _extracted(x_hat: Tensor, x: Tensor, others: Tensor) -> float | str:
    """Return the share of images that are extracted, those that are among the others told from themselves."""
    if len(others) < EXTRACTION:
        return f"it takes {EXTRACTION} images to be told from, and there are {len(others)}"
    left, right = x_hat.flatten(1).double(), others.flatten(1).double()
    squares = left.square().sum(1, keepdim=True) + right.square().sum(1) - 2 * left @ right.mT
    distances = squares.clamp_min(0).sqrt()
    own = (x_hat - x).flatten(1).double().square().sum(1).sqrt()
    distances.diagonal().fill_(torch.inf)  # the first images are the first of the others
    nearest = distances.topk(_NEAREST, largest=False).values.mean(1)
    return float((own < _ALPHA * nearest).double().mean())


def _lpips(x_hat: Tensor, x: Tensor) -> float | str:
    """Return the learned perceptual distance, or why there is none: its weights are never downloaded."""
    if not (Path(torch.hub.get_dir()) / "checkpoints" / _LPIPS_FILE).exists():
        return f"it needs {_LPIPS_FILE}, torchvision's weights of AlexNet, in torch hub's cache (TORCH_HOME)"
    if min(x.shape[2:]) < _LPIPS_SIDE:
        return f"it takes images of {_LPIPS_SIDE} pixels and more on a side"
    if not x_hat.isfinite().all():
        return "a reconstruction is not finite"
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    try:
        return float(learned_perceptual_image_patch_similarity(x_hat, x, net_type="alex", normalize=True))
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        return f"it failed with {type(error).__name__}; is {_LPIPS_FILE} in torch hub's cache (TORCH_HOME) whole?"
