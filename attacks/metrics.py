"""How far a reconstruction is from its image: one pinned definition of each score.

References:
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004.
"""

import hashlib
import json
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

_MSE_FLOOR = 1e-10
_WINDOW, _SIGMA, _RANGE, _K1, _K2 = 11, 1.5, 1.0, 0.01, 0.03

PROTOCOL = {
    "version": 1,
    "images": "float32 in [0, 1], three channels, reconstructions clamped to [0, 1]",
    "mse": "mean over channels and pixels, then over images",
    "psnr": "10 log10(1 / max(mse of the image, mse_floor)), then the mean over images",
    "mse_floor": _MSE_FLOOR,
    "ssim": "one Gaussian window per channel, wholly inside the image; mean over windows, channels, then images",
    "ssim_window": _WINDOW,
    "ssim_sigma": _SIGMA,
    "ssim_range": _RANGE,
    "ssim_k1": _K1,
    "ssim_k2": _K2,
    "ssim_covariance": "biased",
}
"""The definition of every score; records carry its digest, and scores of different digests are not compared."""


class PerImage(NamedTuple):
    """Scores of each image, float32, ``(N,)``."""

    mse: Tensor
    psnr: Tensor
    """dB, at most 100."""
    ssim: Tensor


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
    default = [structural_similarity(a, b, channel_axis=-1, data_range=1.0) for a, b in zip(left, right, strict=True)]
    return {"ssim_zero_padded": _zero_padded(left, right), "ssim_skimage_default": float(numpy.mean(default))}


def _score(x_hat: Tensor, x: Tensor) -> PerImage:
    mse = (x_hat - x).square().mean(dim=(1, 2, 3))
    _, windows = structural_similarity_index_measure(
        x_hat,
        x,
        sigma=_SIGMA,
        kernel_size=_WINDOW,
        reduction="none",
        data_range=_RANGE,
        k1=_K1,
        k2=_K2,
        return_full_image=True,
    )
    # torchmetrics also averages windows over a mirrored border; those wholly inside the image start half a window in
    half = _WINDOW // 2
    ssim = windows[:, :, half:-half, half:-half].mean(dim=(1, 2, 3))
    return PerImage(mse=mse, psnr=-10 * mse.clamp_min(_MSE_FLOOR).log10(), ssim=ssim)


def _zero_padded(left: NDArray[numpy.float64], right: NDArray[numpy.float64]) -> float:
    def blur(images: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        smooth = gaussian(images, sigma=(0, _SIGMA, _SIGMA, 0), mode="constant", cval=0, truncate=3.5)
        return numpy.asarray(smooth)

    c1, c2 = _K1**2, _K2**2
    mean_left, mean_right = blur(left), blur(right)
    covariance = blur(left * right) - mean_left * mean_right
    variances = blur(left**2) - mean_left**2 + blur(right**2) - mean_right**2
    luminance = (2 * mean_left * mean_right + c1) / (mean_left**2 + mean_right**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances + c2)).mean())
