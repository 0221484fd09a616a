"""Inverts releases by optimisation: many images at once, or whatever makes them, each by a loss of its own.

References:
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
    Rudin, Osher, Fatemi, Nonlinear total variation based noise removal algorithms, 1992.
    Kingma, Ba, Adam: a method for stochastic optimization, 2015.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Point
from attacks.counted import counted
from attacks.fitting import CURVE_POINTS

Leaves = Sequence[Tensor]
"""What is optimised: tensors ``(B, ...)`` whose i-th entries make the i-th image and no other."""

Schedule = Callable[[int, int], float]
"""From a step >= 0 and the number of all steps: the learning rate over the highest, in [0, 1]."""


class Minimum(NamedTuple):
    """Where the optimisation was best, for each image by itself."""

    leaves: tuple[Tensor, ...]
    """What made the image, detached, in the order given."""
    x: Tensor
    """The images, ``(B, 3, height, width)``, detached."""
    objective: Tensor
    """Their objective, ``(B,)``: infinite where it never was finite, and then the image is the start."""


LEAST_CONTRAST = 1e-3
"""What stands in for the mean difference of neighbouring pixels in flat images: else any edge would be impossible."""


def cosine(step: int, steps: int) -> float:
    """Fall to nought as half a cosine."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def constant(step: int, steps: int) -> float:
    """Stay the same."""
    return 1.0


def unwatched(step: int, x: Tensor, objective: Tensor) -> None:
    """Look at nothing."""


def minimise(
    start: Leaves,
    images: Callable[[Leaves], Tensor],
    objective: Callable[[Tensor, Leaves], Tensor],
    steps: int,
    lr: float,
    schedule: Schedule = cosine,
    watch: Callable[[int, Tensor, Tensor], None] = unwatched,
) -> Minimum:
    """Minimise each image's objective by Adam; return the least that was met on the way, image by image.

    Exact in batches: losses are summed over images and Adam is elementwise, so that an image's result does not depend
    on its neighbours as long as ``images`` and ``objective`` treat images apart. No network's parameters are touched,
    and an image whose loss is not finite spoils no other.

    Args:
        start: Where to start, ``(B, ...)`` each; left as they are.
        images: Makes images ``(B, 3, height, width)`` of leaves; differentiable.
        objective: Returns ``(B,)`` from images and the leaves that made them (for a prior on these); differentiable.
        steps: Of Adam, >= 0; 0 evaluates the start.
        lr: Highest learning rate, > 0, in the leaves' unit: about the most that an entry moves in a step.
        schedule: Of the learning rate.
        watch: Called at every evaluation with the steps taken so far (0 to ``steps``) and what would be returned by
            then: images and objective.
    """
    leaves = [leaf.detach().clone().requires_grad_() for leaf in start]
    optimiser = torch.optim.Adam(leaves, lr=lr, fused=True)
    best: Minimum | None = None
    for step in counted(range(steps + 1)):
        with torch.enable_grad():
            x = images(leaves)
            loss = objective(x, leaves)
        best = _better(best, leaves, x.detach(), loss.detach())
        watch(step, best.x, best.objective)
        if step < steps:
            _descend(optimiser, leaves, loss, lr * schedule(step, steps))
    assert best is not None
    return best


def _descend(optimiser: torch.optim.Optimizer, leaves: Leaves, loss: Tensor, lr: float) -> None:
    for leaf, gradient in zip(leaves, torch.autograd.grad(loss.sum(), leaves), strict=True):
        leaf.grad = gradient
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.step()


@torch.no_grad()
def _better(best: Minimum | None, leaves: Leaves, x: Tensor, loss: Tensor) -> Minimum:
    """Return, image by image, what has the smaller loss; one that is not finite never has."""
    loss = loss.masked_fill(~loss.isfinite(), math.inf)
    if best is None:
        return Minimum(tuple(leaf.detach().clone() for leaf in leaves), x.clone(), loss)
    found = loss < best.objective
    kept = tuple(_choose(found, new.detach(), old) for new, old in zip(leaves, best.leaves, strict=True))
    return Minimum(kept, _choose(found, x, best.x), loss.where(found, best.objective))


def _choose(found: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(found.view(-1, *[1] * (new.ndim - 1)), new, old)


class Watch:
    """Keeps the learning curve of an inversion: of each image's starts, the one whose objective is least by then.

    Args:
        x: The true images in [0, 1], ``(B, 3, height, width)``; the inversion has them S times over, ``(S B, ...)``, as
            ``repeat`` puts them.
        steps: Of the inversion, >= 1.
        base: Images of the same shape, towards which reconstructions are pulled by the factor that serves best.
    """

    def __init__(self, x: Tensor, steps: int, base: Tensor) -> None:
        self.x, self.base = x, base
        self.points: list[Point] = []
        self.factors: list[float] = []
        """Of each point: :func:`trust` in the reconstructions."""
        self._at = {round(steps * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}

    def __call__(self, step: int, x: Tensor, objective: Tensor) -> None:
        """Add a point if it is time for one; its train is the mean of the objective."""
        if step not in self._at or step == 0:
            return
        by_start = objective.unflatten(0, (-1, len(self.x)))
        chosen = ranked(x, by_start)[0]
        self.factors.append(trust(chosen, self.base, self.x))
        error = float((torch.lerp(self.base, chosen, self.factors[-1]) - self.x).square().mean())
        self.points.append(Point(step, float(by_start.amin(0).mean()), error))


def trust(x_hat: Tensor, base: Tensor, x: Tensor) -> float:
    """Return the factor in [0, 1] on deviations from a base that leaves reconstructions the least squared error.

    Args:
        x_hat: Reconstructions of known images, ``(B, 3, height, width)``.
        base: What they deviate from, of the same shape or broadcast.
        x: The known images.
    """
    deviation = x_hat - base
    factor = float((deviation * (x - base)).sum() / deviation.square().sum().clamp_min(1e-12))
    return min(1.0, max(0.0, factor))


def pulled(x_hat: Tensor, base: Tensor, x: Tensor) -> Tensor:
    """Return each image's squared error, ``(B,)``, pulled towards a base by the factor that serves them best."""
    found = torch.lerp(base.expand_as(x_hat), x_hat, trust(x_hat, base, x))
    return (found - x).square().mean(dim=(1, 2, 3))


def above(found: Tensor, truth: Tensor) -> float:
    """Return the share of images, in [0, 1], whose objective ``(B,)`` where an optimiser ended is above the truth's."""
    return float((found > truth).float().mean())


def ranked(x: Tensor, objective: Tensor) -> Tensor:
    """Return images by ascending objective, ``(S, B, 3, height, width)``, of S starts for each of B.

    Args:
        x: ``(S B, 3, height, width)``, as ``repeat`` puts them.
        objective: ``(S, B)``.
    """
    x = x.unflatten(0, objective.shape)
    order = objective.argsort(0)[..., None, None, None]
    return x.take_along_dim(order, 0)


def roughness(x: Tensor) -> Tensor:
    """Return the anisotropic total variation of images ``(B, 3, height, width)``: a sum of absolutes, ``(B,)``."""
    down, across = x.diff(dim=2).abs(), x.diff(dim=3).abs()
    return down.flatten(1).sum(1) + across.flatten(1).sum(1)


def contrast(x: Tensor) -> float:
    """Return the mean absolute difference of neighbouring pixels of images ``(N, 3, height, width)``, > 0."""
    down, across = x.diff(dim=2), x.diff(dim=3)
    mean = float(roughness(x).sum()) / (down.numel() + across.numel())
    return max(LEAST_CONTRAST, mean)
