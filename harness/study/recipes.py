"""The two named ways of training, shared by all trials of a study.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025 (``published``, as its public code trains).
    Smith and Topin, Super-Convergence, 2019 (the one-cycle learning rate of ``fast``).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What ``train/recipe`` stands for."""

    schedule: Literal["steps", "one-cycle"]
    lr: float
    """Largest learning rate."""
    nesterov: bool
    head: Literal["mlp", "linear"]
    rotation: float
    """Largest rotation of an image in augmentation, degrees."""
    version: int = 1
    """Raised where it trains otherwise than before: numbers of two versions are marked where they are pooled."""
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def optimisers(self, groups: list[dict[str, Any]]) -> list[Optimizer]:
        """Return the optimisers over parameter groups, which may carry settings of their own.

        The first is SGD and follows the recipe's course. A group with ``"optimiser": "adam"`` is trained by Adam with
        the settings it carries, at a constant learning rate or on the ``"course"`` it names; a defense asks for that.
        """
        adam = [group for group in groups if group.get("optimiser") == "adam"]
        plain = [group for group in groups if group.get("optimiser") != "adam"]
        sgd = SGD(plain, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov)
        own = [{name: value for name, value in group.items() if name != "optimiser"} for group in adam]
        return [sgd, *([Adam(own)] if own else [])]

    def scheduler(self, optimiser: Optimizer, epochs: int, steps: int, finish: int = 0) -> LRScheduler:
        """Return the learning rate's course over ``epochs`` of ``steps`` each, stepped after every batch.

        The last ``finish`` steps are left out of it: they are a held training's rounds, on a course of their own.
        """
        total = epochs * steps - finish
        if self.schedule == "one-cycle":
            peaks = [group["lr"] for group in optimiser.param_groups]
            return OneCycleLR(optimiser, peaks, total_steps=total + 1, cycle_momentum=False)
        return LambdaLR(optimiser, lambda step: published_factor(step * epochs // total, epochs))


RECIPES = {
    "published": Recipe(schedule="steps", lr=0.05, nesterov=False, head="mlp", rotation=15.0),
    "fast": Recipe(schedule="one-cycle", lr=0.1, nesterov=True, head="linear", rotation=0.0, version=2),
}


def ramped(progress: float, ramp: float | None) -> float:
    """Return the share of its full weight that a penalty has: linear from 0 at the first step to 1 at ``ramp``.

    Args:
        progress: Share of the training done before this step, in [0, 1).
        ramp: ``train/ramp``, in [0, 1]; null where each defense starts as its source does, and this is 1.
    """
    return 1.0 if ramp is None or progress >= ramp else progress / ramp


def published_factor(epoch: int, epochs: int) -> float:
    """Return the share of the learning rate in an epoch counted from 0: none in the first, then steps of 1/5.

    The steps stand at epochs 60, 120, 180 and 210 of 240 and move in proportion. That the first epoch learns nothing
    is a slip of the public code's warm-up; its figures were obtained with it.
    """
    if epoch == 0 and epochs > 1:
        return 0.0
    milestones = (math.floor(share * epochs / 8 + 0.5) for share in (2, 4, 6, 7))
    return float(0.2 ** sum(epoch + 1 >= milestone for milestone in milestones))
