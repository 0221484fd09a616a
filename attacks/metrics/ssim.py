"""Structural similarity as it is pinned, fast and differentiable: the score of a reconstruction, and a training loss.

References:
    Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA, RANGE, K1, K2 = 11, 1.5, 1.0, 0.01, 0.03
"""Side and standard deviation of the window in pixels, range of the images, and the two stabilising constants."""


def ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return each image's structural similarity, ``(N,)`` in [-1, 1], differentiable in both.

    Args:
        x_hat: Reconstructions, ``(N, 3, height, width)`` float32; not clamped.
        x: Images in [0, 1], ``(N, 3, height, width)`` float32, at least 11 pixels high and wide.

    Raises:
        ValueError: a side is shorter than a window.
    """
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    rows, columns = (_windows(side, x) for side in x.shape[2:])
    # one matrix product for each axis blurs all five moments: on a CPU far faster than depthwise convolutions
    moments = torch.stack([x_hat, x, x_hat.square(), x.square(), x_hat * x])
    mean_hat, mean, square_hat, square, product = rows @ moments @ columns.T
    variances = square_hat - mean_hat.square() + square - mean.square()
    covariance = product - mean_hat * mean
    luminance = (2 * mean_hat * mean + c1) / (mean_hat.square() + mean.square() + c1)
    windows: Tensor = luminance * (2 * covariance + c2) / (variances + c2)
    return windows.mean(dim=(1, 2, 3))


def _windows(side: int, like: Tensor) -> Tensor:
    """Return the matrix of all windows wholly inside a side, ``(side - 10, side)``; rows sum to 1."""
    if side < WINDOW:
        raise ValueError(f"ssim needs images of at least {WINDOW} pixels a side, not {side}")
    window = torch.exp(-((torch.arange(WINDOW) - WINDOW // 2) / SIGMA).square() / 2)
    window = F.pad(window / window.sum(), (0, side - WINDOW))
    return torch.stack([window.roll(start) for start in range(side - WINDOW + 1)]).to(like)
