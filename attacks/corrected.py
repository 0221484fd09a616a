"""A decoder whose image is corrected in a few learned steps, each of which sees the likelihood's slope at the image.

References:
    Adler, Öktem, Solving ill-posed inverse problems using iterative deep neural networks, 2017.
    Putzky, Welling, Recurrent inference machines for solving inverse problems, 2017.
"""

import torch
from torch import Tensor, nn

from attacks.base import Target
from attacks.networks import Sizes, UNet, UnetDecoder
from attacks.precision import autocast, of_networks
from attacks.reading import Reader

FAINTEST = 1e-6
"""Least size of a gradient over the usual one at the mean image: below it there is none."""


class Slope:
    """Which way an image should move to explain its release better, in a form that a network reads.

    Args:
        target: The network under attack.
        x: Images that know nothing of the releases, in [0, 1], ``(N, 3, height, width)``.
        z: Releases, ``(N, C, H, W)``: the root mean square of their gradients is the usual size of one.
    """

    def __init__(self, target: Target, x: Tensor, z: Tensor) -> None:
        self.target = target
        size = float(self._gradient(x, z).square().mean().sqrt())
        self.usual = size if size > 0 else 1.0

    def __call__(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the gradient of each release's surprise at an image, ``(B, 4, height, width)``, without a graph.

        Three channels hold it in units of its own root mean square, the fourth the logarithm of that over the usual
        size.
        """
        gradient = self._gradient(x, z)
        size = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(FAINTEST * self.usual)
        strength = (size / self.usual).log().expand(-1, 1, *x.shape[2:])
        return torch.cat([(gradient / size).asinh(), strength], dim=1)

    def _gradient(self, x: Tensor, z: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.target.surprise(x, z).sum(), x)
        return gradient.nan_to_num(0.0, 0.0, 0.0)


class Corrected(nn.Module):
    """A decoder's output, then ``x + correction(x, slope at x, k)`` for k = 1 to K; all steps share their weights.

    Untrained it returns what the decoder does.

    Args:
        decoder: Maps what is read of releases to images.
        width: Channels of the correction at its highest resolution, a multiple of 4.
        patch: Side of the square of pixels that it treats as one, >= 1.
        corrections: K, >= 1.
    """

    def __init__(self, decoder: UnetDecoder, width: int, patch: int, corrections: int) -> None:
        super().__init__()
        self.decoder, self.corrections = decoder, corrections
        self.correction = UNet(7, 3, Sizes(width, (1, 2, 2), 1, patch))

    def forward(self, z: Tensor, reader: Reader, slope: Slope) -> list[Tensor]:
        """Return the image after every step, the decoder's first, K + 1 of ``(B, 3, height, width)``, not clamped.

        Args:
            z: Releases, ``(B, C, H, W)``.
            reader: What the decoder reads of them.
            slope: What a correction sees of them.
        """
        precision = of_networks(reader.target)
        read = reader(z)
        with autocast(z.device, precision):
            images = [self.decoder(*read)]
        for k in range(self.corrections):
            x = images[-1]
            seen = torch.cat([x, slope(x.clamp(0, 1), z)], dim=1)
            time = x.new_full((len(x),), (k + 1) / self.corrections)
            with autocast(z.device, precision):
                images.append(x + self.correction(seen, time))
        return images
