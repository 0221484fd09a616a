"""How long the scores of reconstructions take, against torchmetrics' SSIM, which they agree with: `make bench`."""

import functools

import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from attacks import metrics
from tests.pairing import paired_ratio

SIGMA, WINDOW = metrics.PROTOCOL["ssim_sigma"], metrics.PROTOCOL["ssim_window"]
PAIRS = 12
IMAGES, SIDE = 512, 32
MOST = 0.3
"""Largest share of torchmetrics' time."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def test_all_scores_against_ssim_by_torchmetrics(benchmark):
    torch.manual_seed(0)
    x = torch.nn.functional.avg_pool2d(torch.rand(IMAGES, 3, SIDE, SIDE, device=DEVICE), 3, 1, 1)
    x_hat = (x + 0.1 * torch.randn_like(x)).clamp(0, 1)
    ours = functools.partial(metrics.score, x_hat, x)
    theirs = functools.partial(_by_torchmetrics, x_hat, x)
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    assert torch.allclose(ours().ssim, theirs()[:, :, inside, inside].mean(dim=(1, 2, 3)), atol=1e-5)
    ratio = paired_ratio(ours, theirs, pairs=PAIRS, device=DEVICE)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(ours, rounds=3)
    print(
        f"\nmse, psnr and ssim over torchmetrics' ssim, {IMAGES} images of {SIDE} pixels: {ratio:.3f}, at most {MOST}"
    )
    assert ratio <= MOST


def _by_torchmetrics(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    _, windows = structural_similarity_index_measure(
        x_hat, x, sigma=SIGMA, kernel_size=WINDOW, reduction="none", data_range=1.0, return_full_image=True
    )
    return windows
