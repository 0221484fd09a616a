"""How far a reconstruction is from its image: one pinned definition of each score.

References:
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004.
    Carlini, Hayes, Nasr, Jagielski, Sehwag, Tramèr, Balle, Ippolito, Wallace, Extracting training data from diffusion
    models, 2023.
    Zhang, Isola, Efros, Shechtman, Wang, The unreasonable effectiveness of deep features as a perceptual metric, 2018.
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from attacks.registration import registered
from attacks.ssim import K1, K2, RANGE, SIGMA, WINDOW, ssim
from attacks.worst_class import worst_class

_MSE_FLOOR = 1e-10

PROTOCOL = {
    "version": 1,
    "images": "float32 in [0, 1], three channels, reconstructions clamped to [0, 1]",
    "mse": "mean over channels and pixels, then over images",
    "psnr": "10 log10(1 / max(mse of the image, mse_floor)), then the mean over images",
    "mse_floor": _MSE_FLOOR,
    "ssim": "one Gaussian window per channel, wholly inside the image; mean over windows, channels, then images",
    "ssim_window": WINDOW,
    "ssim_sigma": SIGMA,
    "ssim_range": RANGE,
    "ssim_k1": K1,
    "ssim_k2": K2,
    "ssim_covariance": "biased",
}
"""The definition of every score; records carry its digest, and scores of different digests are not compared."""

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


class PerImage(NamedTuple):
    """Scores of each image, float32, ``(N,)``."""

    mse: Tensor
    psnr: Tensor
    """dB, at most 100."""
    ssim: Tensor


class Further(NamedTuple):
    """Further scores, each by its name in ``FURTHER``."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    """Why a value is null, by its name."""


def protocol_digest() -> str:
    """Return the SHA-256 of ``PROTOCOL``."""
    return hashlib.sha256(json.dumps(PROTOCOL, sort_keys=True).encode()).hexdigest()


def score(x_hat: Tensor, x: Tensor, chunk: int = 512) -> PerImage:
    """Return the scores of reconstructions, image by image, on the images' device.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)``; clamped to [0, 1]; NaN in an image makes its scores NaN.
        x: Images in [0, 1], ``(N, 3, height, width)``, at least 11 pixels high and wide.
        chunk: Images scored at once, >= 1.

    Raises:
        ValueError: the shapes differ.
    """
    if x_hat.shape != x.shape:
        raise ValueError(f"reconstructions {tuple(x_hat.shape)} and images {tuple(x.shape)} must have one shape")
    pairs = zip(x_hat.split(chunk), x.split(chunk), strict=True)
    chunks = [_score(left.float().clamp(0, 1), right.float()) for left, right in pairs]
    return PerImage(*(torch.cat(column) for column in zip(*chunks, strict=True)))


def means(scores: PerImage) -> dict[str, float]:
    """Return each score's mean over images, summed in float64."""
    return {name: float(column.double().mean()) for name, column in scores._asdict().items()}


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


def conversions(x_hat: NDArray[numpy.uint8], x: NDArray[numpy.uint8]) -> dict[str, float]:
    """Return other people's SSIM of stored reconstructions, by label: never to be compared with our own.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)``.
        x: Images, ``(N, 3, height, width)``.

    Returns:
        ``ssim_zero_padded``: the same windows, but over the zero-padded image, as in the scripts of published split
        inference; ``ssim_skimage_default``: 7x7 uniform windows, sample covariance, scikit-image's default.
    """
    left, right = (numpy.moveaxis(images, 1, -1) / 255.0 for images in (x_hat, x))
    # here, for its import takes longer than torch's, and a driver needs none of it
    from skimage.metrics import structural_similarity

    default = [structural_similarity(a, b, channel_axis=-1, data_range=1.0) for a, b in zip(left, right, strict=True)]
    return {"ssim_zero_padded": _zero_padded(left, right), "ssim_skimage_default": float(numpy.mean(default))}


def _score(x_hat: Tensor, x: Tensor) -> PerImage:
    mse = (x_hat - x).square().mean(dim=(1, 2, 3))
    return PerImage(mse=mse, psnr=-10 * mse.clamp_min(_MSE_FLOOR).log10(), ssim=ssim(x_hat, x))


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


def _zero_padded(left: NDArray[numpy.float64], right: NDArray[numpy.float64]) -> float:
    from skimage.filters import gaussian

    def blur(images: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        smooth = gaussian(images, sigma=(0, SIGMA, SIGMA, 0), mode="constant", cval=0, truncate=3.5)
        return numpy.asarray(smooth)

    c1, c2 = K1**2, K2**2
    mean_left, mean_right = blur(left), blur(right)
    covariance = blur(left * right) - mean_left * mean_right
    variances = blur(left**2) - mean_left**2 + blur(right**2) - mean_right**2
    luminance = (2 * mean_left * mean_right + c1) / (mean_left**2 + mean_right**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())
