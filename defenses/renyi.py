"""Renyi's entropy of order 2 of kernel matrices: how alike two images of a class are, told from their activations.

References:
    Sanchez Giraldo, Rao, Principe, Measures of Entropy from Data Using Infinitely Divisible Kernels, 2015.
    Yu, Sanchez Giraldo, Jenssen, Principe, Multivariate Extension of Matrix-Based Renyi's alpha-Order Entropy
    Functional, 2020.
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.ranges import number


class Renyi(Defense):
    """Penalises ``I_2(x; z | y) = S(x, y) + S(z, y) - S(y) - S(x, y, z)``, ``S(A) = -log |A|_F^2``.

    A is the Hadamard product of the kernel matrices of its arguments over its trace: for x and z Gaussian kernels, for
    y whether two labels are the same. It comes to ``log (E[X^2 Z^2] / (E[X^2] E[Z^2]))`` over the pairs of a class, a
    pair with itself included. No eigenvalues are needed at order 2.

    The exponents are mean squared differences per pixel and per feature, so that widths do not depend on the sizes.
    The squared width of z's kernel is ``width_z^2 + 2 sigma^2``, the second part being what the noise of two releases
    adds to their difference. The value is in nats of the kernels' entropy, at most the log of the batch size, and not
    divided by the number of features; it depends on the widths and bounds no information.

    Args:
        lam: Weight of the penalty, >= 0.
        width_x: Width of the images' kernel, >= .001, in their units.
        width_z: Width of the activations' kernel, >= .001, in their units.
    """

    strength = "lam"
    reference = (
        "Sanchez Giraldo et al., Measures of Entropy from Data Using Infinitely Divisible Kernels, 2015; Yu et al., "
        "Multivariate Extension of Matrix-Based Renyi's alpha-Order Entropy Functional, 2020"
    )
    faithful = "paper"
    cost = "two matrices of distances within the batch"

    def __init__(self, lam: float = 1.0, width_x: float = 0.2, width_z: float = 0.2) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.width_x = number("width_x", width_x, least=1e-3)
        self.width_z = number("width_z", width_z, least=1e-3)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the information of the kernels, in nats."""
        if self.lam == 0:
            return super().penalty(batch)
        images = squared_kernel(batch.x, self.width_x**2)
        activations = squared_kernel(batch.z_clean, self.width_z**2 + 2 * batch.sigma**2)
        return self.lam * information(images, activations, batch.y)


def squared_kernel(values: Tensor, variance: float) -> Tensor:
    """Return ``exp(-d^2 / variance)``, a Gaussian kernel squared, for mean squared differences d^2, ``(B, B)``.

    Args:
        values: ``(B, ...)``.
        variance: Squared width of the kernel, > 0.
    """
    flat = values.float().flatten(1)
    flat = flat - flat.mean(0)
    norms = flat.square().sum(1)
    distance = (norms[:, None] + norms - 2 * flat @ flat.mT).clamp(min=0) / flat.shape[1]
    return torch.exp(-distance / variance)


def information(images: Tensor, activations: Tensor, y: Tensor) -> Tensor:
    """Return the conditional information of two kernel matrices given the label, in nats, ``()``.

    Args:
        images: Squared kernel of the images, ``(B, B)``.
        activations: Squared kernel of the activations, ``(B, B)``.
        y: Labels, ``(B,)``.
    """
    same = (y[:, None] == y).to(images.dtype)
    both, first, second = ((same * each).sum().log() for each in (images * activations, images, activations))
    return both + same.sum().log() - first - second
