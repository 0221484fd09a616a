"""What the statistics of clusters say about the information that a noisy release can carry.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025: equation 7.
"""

import torch
from torch import Tensor


def noise_variance(sigma: float) -> float:
    """Return ``sigma ** 2``.

    Raises:
        ValueError: there is no noise, so that every bound on the information is infinite.
    """
    if sigma > 0:
        return sigma**2
    raise ValueError(f"a conditional-entropy penalty needs channel noise: model/sigma is {sigma}, set it above 0")


def mixture_bound(counts: Tensor, variances: Tensor, noise: float) -> Tensor:
    """Return equation 7 within every class, averaged over classes, in nats per feature, ``()``.

    Args:
        counts: Members of each cluster, ``(K, k)``, >= 0.
        variances: Per dimension, ``(K, k, D)``, >= 0.
        noise: Variance of the channel noise, > 0.
    """
    share = counts / counts.sum().clamp(min=1e-9)
    within = counts / counts.sum(1, keepdim=True).clamp(min=1e-9)
    label = -torch.log(torch.where(within > 0, within, 1.0))
    gaussian = torch.log1p(variances / noise).mean(-1) / 2
    return (share * (label / variances.shape[-1] + gaussian)).sum()
