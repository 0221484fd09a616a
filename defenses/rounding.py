"""Features are rounded to a coarse grid.

References:
    Fredrikson, Jha, Ristenpart, Model Inversion Attacks that Exploit Confidence Information and Basic Countermeasures,
    CCS 2015.
    Lipshitz, Wannamaker, Vanderkooy, Quantization and Dither: A Theoretical Survey, 1992.
"""

import math

import torch
from torch import Tensor

from attacks.likelihood import expected_point, log_gaussian, log_rounded, surprise
from defenses.base import Defense, Law
from defenses.ranges import flag, number

EDGE = 1 / 8
"""Standard deviation, over the grid's width, by which an attacker softens the edges of its cells."""
DITHERED_EDGE = 1 / math.sqrt(12)
"""The same of uniform dither: to an attacker it is Gaussian."""


class Rounding(Defense):
    """Rounds every feature to a multiple of ``step``, in training and at inference alike: ``step round(z / step)``.

    The paper rounds the confidences of a classifier; features in their place are ours. Rounding has no useful gradient:
    the backward pass takes it for the identity (straight-through), for client and attacker alike.

    With ``dither`` a feature goes up or down at random, so that its expectation is the feature itself: uniform dither
    of width ``step`` before rounding, none taken off after. At a share f of a step above the grid the deviation is
    ``step sqrt(f (1 - f))``; over uniform f its variance is ``step ** 2 / 6``, twice that of plain rounding's error.

    Args:
        step: Width of the grid, >= 0, in units of the activation.
        dither: Whether features are rounded at random.
    """

    strength = "step"
    strength_kind = "scale"
    reference = (
        "Fredrikson, Jha, Ristenpart, Model Inversion Attacks that Exploit Confidence Information and Basic "
        "Countermeasures, CCS 2015"
    )
    cost = "rounding; with dither one draw of noise"
    jumps = True

    def __init__(self, step: float = 0.25, dither: bool = False) -> None:
        super().__init__()
        self.step = number("step", step)
        self.dither = flag("dither", dither)

    def forward(self, z: Tensor) -> Tensor:
        if self.step == 0:
            return z
        scaled = z.detach() / self.step
        if self.dither:
            scaled = scaled + torch.rand_like(z) - 0.5
        # the second term is exactly 0, and carries the gradient
        return self.step * scaled.round() + (z - z.detach())

    def mean(self, z: Tensor) -> Tensor:
        return z if self.dither else self.forward(z)

    def noise_std(self, z: Tensor) -> Tensor | float:
        if not self.dither or self.step == 0:
            return 0.0
        share = (z / self.step).frac().abs()
        return self.step * (share * (1 - share)).sqrt()

    def law(self, sigma: float) -> Law:
        if not self.dither or self.step == 0:
            return "gaussian"
        return "surprise" if sigma > 0 else "atoms"

    def exact_surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return that of the two grid points about an activation; without dither, of the one that it is rounded to."""
        if self.law(sigma) == "gaussian":
            return super().exact_surprise(z, activation, sigma)
        below = (activation / self.step).floor()
        up = activation / self.step - below
        either = [log_gaussian(z, self.step * (below + i), sigma) + share.log() for i, share in ((0, 1 - up), (1, up))]
        return surprise(torch.logaddexp(*either))

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of an activation in the cells that the release may come from."""
        if self.step == 0:
            return super().surprise(z, activation, sigma)
        width = self.step * (DITHERED_EDGE if self.dither else EDGE)
        return surprise(log_rounded(z, activation, self.step, width, sigma))

    def before_noise(self, z: Tensor, sigma: float) -> Tensor:
        """Return the expected point of the grid, all of them as likely before; of dithered ones there are no few."""
        if self.dither or self.step == 0 or sigma == 0:
            return z
        return expected_point(z, self.step, sigma)
