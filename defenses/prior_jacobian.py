"""How far a release moves from one image of a class towards another: a Jacobian weighted by the prior over images.

References:
    Maeng, Guo, Kariyappa, Suh, Measuring and Controlling Split Layer Privacy Leakage Using Fisher Information, 2022
    (the Jacobian in white directions).
"""

import torch
from torch import Tensor

from defenses.base import Batch, Defense
from defenses.bounds import noise_variance
from defenses.ranges import number, whole
from defenses.sensitivity import directional_change

STEP = 0.05
"""Share of the way to the other image by which the derivative is taken."""


class PriorJacobian(Defense):
    """Penalises ``log(1 + E sum_d (J (x_j - x_i))_d^2 / s_d^2 / D)``, i and j two images of one class.

    J is the client's Jacobian at x_i and s_d^2 the variance of all noise on feature d of D. ``dfil`` probes in white
    directions, most of which no image differs in; here they are those in which images of a class do differ, so that
    it is the ratio of signal to noise within classes, to first order: ``class_gaussian`` measures the same of the
    activations themselves. The derivative is a difference over a twentieth of the way. Batch norms take the statistics
    of the images that are measured. It bounds no information: the logarithm is a pure number.

    Args:
        lam: Weight of the penalty, >= 0.
        images: Images of a batch that are measured, >= 1; the first ones, a random sample.
    """

    strength = "lam"
    reference = (
        "Ours, after Maeng et al., Measuring and Controlling Split Layer Privacy Leakage Using Fisher Information, 2022"
    )
    faithful = "ours"
    cost = "two more of some of the batch's images through the client in every step"
    needs_noise = True

    def __init__(self, lam: float = 0.1, images: int = 16) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.images = whole("images", images, least=1)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times the logarithm; images that are alone in their class count for nothing."""
        if self.lam == 0:
            return super().penalty(batch)
        noise_variance(batch.sigma)
        x, y = batch.x[: self.images], batch.y[: self.images]
        other, found = partners(y, batch.y)
        change = directional_change(batch.client, x, batch.x[other] - x, STEP)
        ratio = (change.square() / batch.noise).flatten(1).mean(1)
        return self.lam * ((ratio * found).sum() / found.sum().clamp(min=1)).log1p()


def partners(y: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index of another image of its class for each of the first images, and 1 where there is one, ``(n,)``.

    Draws from the global RNG.

    Args:
        y: Labels of the first images, ``(n,)``.
        labels: Of all images, ``(B,)``.
    """
    own = torch.eye(len(y), len(labels), device=y.device, dtype=torch.bool)
    alike = (y[:, None] == labels) & ~own
    drawn = torch.rand(alike.shape, device=y.device).masked_fill(~alike, -1.0).argmax(1)
    return drawn, alike.any(1).float()
