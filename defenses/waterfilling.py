"""The noise that hides most for what it costs the task: a closed form in the basis where both are diagonal.

References:
    Cover and Thomas, Elements of Information Theory, 2006, section 10.3 (reverse water-filling).
    Fiedler, Bounds for the determinant of the sum of hermitian matrices, 1971 (why the best noise is diagonal there).
"""

import torch
from torch import Tensor


def optimal_noise(within: Tensor, slopes: Tensor, price: float) -> Tensor:
    """Return the covariance N that minimises ``1/2 tr(G N) + price * 1/2 log det(I + V N^-1)``, ``(D, D)``.

    In coordinates in which G is the identity and V diagonal, ``n = 1/2 (sqrt(v^2 + 4 price v) - v)``; in others in
    which both are diagonal, ``n = 1/2 (sqrt(v^2 + 4 price v / g) - v)``. Of all N of its information it costs least.

    Args:
        within: V, covariance of the features within classes, positive semi-definite, ``(D, D)``.
        slopes: G, second moment of the task's gradient on the features, positive definite.
        price: Of a nat, in the task's loss, >= 0.
    """
    root = torch.linalg.cholesky(slopes)
    variances, turn = torch.linalg.eigh(root.mT @ within @ root)
    variances = variances.clamp(min=0)
    noise = ((variances.square() + 4 * price * variances).sqrt() - variances) / 2
    back = torch.linalg.solve_triangular(root.mT, turn, upper=True)
    found: Tensor = (back * noise) @ back.mT
    return found


def nats(within: Tensor, noise: Tensor) -> Tensor:
    """Return ``1/2 log det(I + V N^-1)``, the information of a Gaussian in itself with noise, ``()``.

    Args:
        within: V, ``(D, D)``, positive semi-definite.
        noise: N, ``(D, D)``, positive definite.
    """
    told: Tensor = (torch.linalg.slogdet(within + noise).logabsdet - torch.linalg.slogdet(noise).logabsdet) / 2
    return told
