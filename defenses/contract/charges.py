"""The laws of the contract about what a penalty charges: what its defense bounds, alone and beside a base."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense
from defenses.contract.bench import Case, require
from defenses.contract.features import PROBLEMS, SHAPES, Problem
from defenses.contract.levels import (
    BATCH_SIZE,
    TIGHT,
    attached,
    end_epoch,
    estimate,
    keeps_its_side,
    level_of,
    sigmas_of,
)
from defenses.ranges import number
from defenses.rounding import Rounding

LACKING = 1 / 128
"""What a bound on moments of a bank's 64 images may lack for being of the images that it is charged for, nats."""
LATE = 0.999
"""Share of the training at which a penalty is taken: what anneals has."""
NOISE_OF_BASE = 0.15
"""Largest deviation that a base adds to a feature."""


def penalises_what_it_estimates(case: Case) -> None:
    """A step down the penalty is one down the estimate, of an upper bound; of a lower one, a step up."""
    if case.create.bound == "none":
        return
    side = 1 if case.create.bound == "upper" else -1
    torch.manual_seed(3)
    draw = PROBLEMS["correlated"]().draw
    defense = attached(case)
    end_epoch(defense, *draw(600), epoch=0)
    z, y = draw(BATCH_SIZE)
    z = z.requires_grad_()
    penalty = defense.penalty(_batch(defense, z, y, case.sigma))
    require(penalty.requires_grad, "the penalty's gradient does not reach the features that it bounds")
    down = torch.autograd.grad(penalty, z, allow_unused=True)[0]
    require(down is not None and bool(down.norm() > 0), "the penalty's gradient does not reach the features")
    slope = torch.autograd.grad(estimate(defense, z, y, case.sigma), z)[0]
    assert down is not None
    cosine = float(nn.functional.cosine_similarity(down.flatten(), slope.flatten(), dim=0))
    require(side * cosine > 0.1, f"penalty and estimate pull apart: their gradients' cosine is {cosine:.2f}")


def charges_what_it_bounds(case: Case) -> None:
    """In training, banks full, an upper bound is charged in nats per feature: no less than the truth, no looser."""
    for problem in (TIGHT, "mixture") if not case.thorough else PROBLEMS:
        for sigma in sigmas_of(case):
            _charges(case, Defense(), PROBLEMS[problem](), sigma, problem, tight=problem == TIGHT)


def bounds_what_a_base_releases(case: Case) -> None:
    """Beside a defense that adds Gaussian noise or rounds, a penalty charges what the release tells.

    Where the noise is not Gaussian, or depends on the image, ``bound_beside`` says that it bounds nothing.
    """
    if case.create.bound != "upper" or case.create.forward is not Defense.forward:
        return
    for sigma in sigmas_of(case):
        _charges(case, NoisyBase(), PROBLEMS[TIGHT](), sigma, "on a noisy base", tight=True)
        _charges(case, Rounding(step=1.0), _rounded(PROBLEMS["saturated"]()), sigma, "on a rounding base")
    torch.manual_seed(3)
    z, _ = PROBLEMS["mixture"]().draw(8)
    for base in (Rounding(step=1.0, dither=True), NoisyBase(by_image=True)):
        said = case.create(**case.settings).bound_beside(base, z, case.sigma)
        require(said == "none", f"beside noise that is not Gaussian, or not the same for all, it says {said}")


class NoisyBase(Defense):
    """A base that adds Gaussian noise of a deviation of its own to every feature."""

    def __init__(self, most: float = NOISE_OF_BASE, by_image: bool = False) -> None:
        super().__init__()
        self.most, self.by_image = number("most", most), by_image

    def forward(self, z: Tensor) -> Tensor:
        return z + self.noise_std(z) * torch.randn_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> Tensor:
        by_feature = torch.linspace(0, self.most, z[0].numel(), device=z.device).view(z.shape[1:])
        return by_feature * z.abs() if self.by_image else by_feature.expand_as(z)


def _charges(case: Case, base: Defense, problem: Problem, sigma: float, where: str, tight: bool = False) -> None:
    strength = case.create.strength
    if case.create.bound != "upper" or strength is None:
        return
    torch.manual_seed(4)
    level = level_of(case)
    defense = attached(case)
    own = base if case.create.forward is Defense.forward else defense
    z, y = problem.draw(level.features)
    fitted = z if own is defense else own.signal(z, sigma).detach()
    for epoch in (0, 1):
        end_epoch(defense, fitted, y, epoch=epoch)
    weight, charged = float(case.settings.get(strength, _defaults(case)[strength])), []
    for batch in range(2 * level.batches):
        z, y = problem.draw(BATCH_SIZE)
        penalty = defense.penalty(_batch(own, z, y, sigma))
        if batch >= level.batches:
            charged.append(float(penalty.detach()) / weight)
    truth = problem.truth(own.total_noise(z, sigma).detach().flatten())
    keeps_its_side(case, sum(charged) / len(charged) + LACKING, truth, f"the penalty, {where}, sigma {sigma}", tight)


def _rounded(problem: Problem) -> Problem:
    """Return features just beside the edge that rounding to whole numbers has at 1/2: what is released is 0 or 1."""

    def draw(count: int) -> tuple[Tensor, Tensor]:
        z, y = problem.draw(count)
        of_class = 0.3 * y.view(-1, 1, 1, 1)
        return 0.499 + 0.002 * (z - of_class), y

    return Problem(draw, problem.truth)


def _defaults(case: Case) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(case.create).parameters.items()}


def _batch(base: Defense, z: Tensor, y: Tensor, sigma: float) -> Batch:
    released = base(z)
    return Batch(
        x=torch.zeros(len(z), *SHAPES.image), client=nn.Identity(), z_clean=z, z=released + sigma * torch.randn_like(z),
        y=y, sigma=sigma, progress=LATE, lr=0.01, epoch=2, defense=base,
    )  # fmt: skip
