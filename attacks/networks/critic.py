"""A critic that sees an image beside its release, and the gradient penalty that keeps it one.

References:
    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, Improved training of Wasserstein GANs, 2017.
    Isola, Zhu, Zhou, Efros, Image-to-image translation with conditional adversarial networks, 2017.
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

READ = 8
"""Channels that the critic makes of a release."""


class Critic(nn.Module):
    """Scores images beside their releases: three 5x5 convolutions of stride 2; no norm, as a gradient penalty asks.

    Args:
        activation: ``(C, H, W)`` of a release.
        image: ``(3, height, width)`` of an image.
        channels: After the first convolution, >= 1; the second has twice, the third four times as many.
    """

    def __init__(self, activation: tuple[int, int, int], image: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.release = nn.Conv2d(activation[0], READ, 1)
        widths = [image[0] + READ, channels, 2 * channels, 4 * channels]
        layers = [
            layer
            for num_in, num_out in pairwise(widths)
            for layer in (nn.Conv2d(num_in, num_out, 5, stride=2, padding=2), nn.LeakyReLU(0.2))
        ]
        height, width = (-(-side // 8) for side in image[1:])
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * height * width, 1))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return scores ``(B,)`` of images in [0, 1], ``(B, 3, height, width)``, beside standardised releases."""
        read = F.interpolate(self.release(z), x.shape[2:])
        score: Tensor = self.body(torch.cat([2 * x - 1, read], dim=1))
        return score[:, 0]


def gradient_penalty(critic: nn.Module, x: Tensor, x_hat: Tensor, z: Tensor) -> Tensor:
    """Return the mean squared distance from 1 of the critic's gradient norms between images and reconstructions.

    Args:
        critic: Scores images ``(B, 3, height, width)`` beside releases z, ``(B,)``; differentiable twice.
        x: Images, ``(B, 3, height, width)``.
        x_hat: Reconstructions, of the same shape.
        z: Standardised releases, ``(B, C, H, W)``.
    """
    between = torch.lerp(x_hat, x, torch.rand(len(x), 1, 1, 1, device=x.device)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, z).sum(), between, create_graph=True)
    norms: Tensor = slope.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()
