"""The pinned scores of a reconstruction: mse, psnr and ssim, image by image.

References:
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004.
"""

import hashlib
import json
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.metrics.ssim import K1, K2, RANGE, SIGMA, WINDOW, ssim

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


def _score(x_hat: Tensor, x: Tensor) -> PerImage:
    mse = (x_hat - x).square().mean(dim=(1, 2, 3))
    return PerImage(mse=mse, psnr=-10 * mse.clamp_min(_MSE_FLOOR).log10(), ssim=ssim(x_hat, x))
