"""The full covariance within classes as a yardstick: what a release tells by a Gaussian that knows its correlations.

References:
    Ledoit, Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004 (shrinkage).
    Barron, Information-theoretic characterization of Bayes performance and the choice of priors, 1999 (a mixture costs
    at most the logarithm of its size).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SHRINKAGES = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Shares of the diagonal in the covariances that are mixed."""
MOST_FITTED = 1024
"""Images, the first ones, that a covariance is fitted to."""


def charged(fit: Tensor, labels: Tensor, z: Tensor, e: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Return ``log p(z + e | z) - log q(z + e | y)`` of features with their draws of noise, nats, ``(M,)``, float64.

    q is a mixture, to equal shares, of Gaussians about the classes' means with covariance
    ``(1 - a) V + a diag(V) + I``, V the pooled covariance within classes of other features: the mean bounds
    I(x; z | y) from above whatever V is, and the mixture is at most log 5 nats above the best a. The noise's density
    is taken as that of N(0, I).

    Args:
        fit: Noise-free features that means and V are of, ``(N, D)``, in units of the noise.
        labels: Theirs, ``(N,)``; every class of ``y`` is among them.
        z: Noise-free features, ``(M, D)``.
        e: Noise, of their shape.
        y: Labels, ``(M,)``.
        num_classes: K.
    """
    fit, labels = fit[:MOST_FITTED].double(), labels[:MOST_FITTED]
    own = F.one_hot(labels, num_classes).double()
    counts = own.sum(0)
    means = own.mT @ fit / counts.clamp(min=1)[:, None]
    free = (len(labels) - (counts > 0).sum()).clamp(min=1)
    rows = (fit - own @ means) / free.sqrt()
    apart = (z + e).double() - means[y]
    logs = torch.stack([_twice_log_density(rows, apart, share) for share in SHRINKAGES]) / 2
    return (math.log(len(SHRINKAGES)) - e.double().square().sum(1) / 2) - logs.logsumexp(0)


def _twice_log_density(rows: Tensor, apart: Tensor, share: float) -> Tensor:
    """Return twice the log-density but for ``D log 2 pi``, ``(M,)``, of what lies so far from its mean, ``(M, D)``.

    Args:
        rows: Whose squares sum up to V, ``(N, D)``.
        apart: ``(M, D)``.
        share: Of the diagonal.
    """
    diagonal = 1 + share * rows.square().sum(0)
    rows, apart = math.sqrt(1 - share) * rows / diagonal.sqrt(), apart / diagonal.sqrt()
    count, features = rows.shape
    if count >= features:
        root = torch.linalg.cholesky(rows.mT @ rows + torch.eye(features).to(rows))
        squares = torch.linalg.solve_triangular(root, apart.mT, upper=False).square().sum(0)
    else:  # the same by as many equations as there are rows
        root = torch.linalg.cholesky(rows @ rows.mT + torch.eye(count).to(rows))
        told = torch.linalg.solve_triangular(root, rows @ apart.mT, upper=False)
        squares = apart.square().sum(1) - told.square().sum(0)
    twice: Tensor = -(diagonal.log().sum() + 2 * root.diagonal().log().sum() + squares)
    return twice
