"""The class that leaks most, without the luck of the draw: the least of many noisy means lies below the least mean.

References:
    DerSimonian, Laird, Meta-analysis in clinical trials, 1986 (variance between groups by moments).
    Efron, Morris, Stein's estimation rule and its competitors: an empirical Bayes approach, 1973.
    Dawid, Selection paradoxes of Bayesian inference, 1994 (a posterior mean stands, whichever was selected).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class WorstClass(NamedTuple):
    """What is to be expected of the class with the least expectation."""

    mean: float
    error: float
    """Its standard error, that of the mean of all classes included."""


def worst_class(values: Tensor, y: Tensor) -> WorstClass | None:
    """Return the least class mean, each shrunk towards that of all classes as far as chance may have moved it.

    Class means are taken for normal about a common mean: their variance t by moments, that of a mean of n images s / n
    by the pooled variance s within classes; a class keeps ``t / (t + s / n)`` of its deviation. None where no class has
    two images, so that there is no s.

    Args:
        values: A score of each image, ``(N,)``; less leaks more.
        y: Labels, ``(N,)``, int64, >= 0.
    """
    own = F.one_hot(y).double()
    own = own[:, own.sum(0) > 0]
    values, counts, classes = values.double(), own.sum(0), own.shape[1]
    means = own.mT @ values / counts
    if len(values) == classes:
        return None
    noise = (values - own @ means).square().sum() / (len(values) - classes) / counts
    common, between = _common(means, noise)
    weight = 1 / (noise + between).clamp_min(torch.finfo(torch.float64).tiny)
    kept = between * weight
    shrunk = common + kept * (means - common)
    worst = shrunk.argmin()
    error = (kept * noise + (1 - kept).square() / weight.sum())[worst].sqrt()
    return WorstClass(float(shrunk[worst]), float(error))


def _common(means: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of class means and the variance between them, each ``()``, given their noise's variances."""
    if len(means) == 1:
        return means[0], noise.new_zeros(())
    weight = 1 / noise.clamp_min(torch.finfo(torch.float64).tiny)
    weight = weight / weight.max()
    scale = noise.min()
    spread = weight @ (means - weight @ means / weight.sum()).square()
    between = (spread - (len(means) - 1) * scale) / (weight.sum() - weight.square().sum() / weight.sum())
    between = between.clamp_min(0)
    total = 1 / (noise + between).clamp_min(torch.finfo(torch.float64).tiny)
    return total @ means / total.sum(), between
