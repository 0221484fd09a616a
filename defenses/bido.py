"""Training that makes the release depend less on the image and more on the label.

References:
    Peng, Liu, Zhang, Lan, Ye, Liu, Han, Bilateral Dependency Optimization: Defending Against Model-inversion Attacks,
    KDD 2022, and its public code.
    Gretton, Bousquet, Smola, Schölkopf, Measuring Statistical Dependence with Hilbert-Schmidt Norms, 2005.
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.ranges import number

RIDGE = 1e-5
"""Regulariser of the normalised HSIC, per image of the batch; as in the public code."""
LEAST_WIDTH = 1e-3
TINY = 1e-12


class Bido(Defense):
    """Penalises the dependence of releases on images, and rewards their dependence on labels, by HSIC at the cut.

    ``lam (nHSIC(x, z) - ratio nHSIC(z, y))`` within the batch: lambda_x is ``lam``, lambda_y is ``ratio lam``. Gaussian
    kernels ``exp(-|a - b| ** 2 / (2 m))`` over images and over releases, m the median of the squared distances in the
    batch, a linear one over labels. The public code takes ``m = width ** 2 D`` for D values, of width 5, to which
    all images are alike. HSIC is normalised as there: ``tr(R_x R_z)`` with ``R = K (K + 1e-5 B I) ** -1`` for a centred
    kernel matrix K of B images, where the paper writes ``tr(K_x K_z) / (B - 1) ** 2``.

    Images are in [0, 1]. The code sums over all layers, of which only the cut is released; releases carry the channel
    noise, of which paper and code have none.

    Args:
        lam: Weight of the dependence on images, which is in [0, B] and has no unit, >= 0.
        ratio: Weight of the dependence on labels, which is in [0, classes], relative to ``lam``, >= 0.
        width: Width of the Gaussian kernels, >= .001, in units of the root of the mean squared difference of a value,
            as in the public code; null for the median's.
    """

    strength = "lam"
    reference = (
        "Peng, Liu, Zhang, Lan, Ye, Liu, Han, Bilateral Dependency Optimization: Defending Against Model-inversion "
        "Attacks, KDD 2022"
    )
    version = 2
    faithful = "ours"
    cost = "three kernel matrices of the batch and their inverses"

    def __init__(self, lam: float = 0.05, ratio: float = 10.0, width: float | None = None) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.ratio = number("ratio", ratio)
        self.width = None if width is None else number("width", width, least=LEAST_WIDTH)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the difference of the two dependences, which may be negative."""
        if self.lam == 0:
            return super().penalty(batch)
        x, z = (normalised(gaussian_kernel(values, self.width)) for values in (batch.x, batch.z))
        y = normalised((batch.y[:, None] == batch.y).to(z.dtype))
        return self.lam * ((x * z).sum() - self.ratio * (z * y).sum())


def gaussian_kernel(values: Tensor, width: float | None) -> Tensor:
    """Return ``exp(-|a - b| ** 2 / (2 m))`` between the rows, ``(B, B)``.

    Args:
        values: ``(B, ...)`` of D values each.
        width: m is ``width ** 2 D``, > 0; None for the median squared distance of two rows.
    """
    rows = values.float().flatten(1)
    rows = rows - rows.mean(0)  # inner products lose their digits to a common offset
    norms = rows.square().sum(1)
    squares = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0)
    return torch.exp(squares / (-2 * (_median(squares) if width is None else width**2 * rows.shape[1])))


def _median(squares: Tensor) -> Tensor:
    """Return the median squared distance of two different rows, ``()``, > 0, without a gradient."""
    size = len(squares)
    apart = squares.detach().flatten().sort().values[size:]  # the smallest ones are those of rows to themselves
    return apart[len(apart) // 2].clamp(min=TINY) if size > 1 else squares.new_ones(())


def normalised(kernel: Tensor) -> Tensor:
    """Return ``K (K + ridge) ** -1`` of a kernel matrix centred to K, symmetric, ``(B, B)``, eigenvalues in [0, 1].

    The sum of the products of two of them is the normalised HSIC of their variables.
    """
    size = len(kernel)
    centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
    ridge = RIDGE * size * torch.eye(size, device=kernel.device, dtype=kernel.dtype)
    # the checked form would wait for the device in every step; with the ridge there is nothing to check
    solved: Tensor = torch.linalg.solve_ex(centred + ridge, centred).result
    return solved
