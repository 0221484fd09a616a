"""The true denoiser of the linear Gaussian problem's images, in place of a trained one."""

import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.denoiser import ImagePrior, signal_and_noise
from attacks.testproblems import DEVIATION, PATCH, LinearGaussian


class Exact(ImagePrior):
    """The true denoiser of the linear Gaussian problem's images."""

    def __init__(self, target: LinearGaussian) -> None:
        super().__init__(target.image_shape)
        self.deviation.fill_(DEVIATION)
        self.covariance = target.covariance / DEVIATION**2

    def forward(self, u: Tensor, time: Tensor) -> Tensor:
        """Return what clean images are expected to be, given noisy ones at a time."""
        variances, basis = (part.float() for part in torch.linalg.eigh(self.covariance))
        alpha, sigma = (factor[:, None] for factor in signal_and_noise(time))
        gain = alpha * variances / (alpha**2 * variances + sigma**2)
        patches = torch.einsum("ij,bj,kj,bkhw->bihw", basis, gain, basis, F.pixel_unshuffle(u, PATCH))
        return F.pixel_shuffle(patches, PATCH)
