"""The laws of the contract about bounds: valid and tight on features of known information, and what training pays."""

import functools
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Epoch
from defenses.contract_bench import Case, HasEstimate, require
from defenses.contract_features import PROBLEMS, SHAPES, Interval, Problem
from defenses.ranges import number
from defenses.rounding import Rounding


class Level(NamedTuple):
    """How hard the laws look."""

    sigmas: tuple[float, ...]
    """Standard deviations of the channel noise; empty for the case's own."""
    problems: tuple[str, ...]
    features: int
    steps: int
    """Steps in which a defense's own parameters are trained on frozen features, where a bound keeps its side."""
    few: int
    """The same where two estimates are compared."""
    tolerance: float
    """Share of the truth by which a bound may miss its side: the sampling error of the features."""
    batches: int
    """Training batches over which a penalty is averaged."""


LACKING = 1 / 128
"""What a bound on moments of a bank's 64 images may lack for being of the images that it is charged for, nats."""
TIGHT = "gaussian"
"""The problem on which an upper bound keeps its ``tightness``."""
SMALL = Level((), (TIGHT, "mixture", "saturated"), 2000, 25, 10, 0.03, 12)
WHOLE = Level((0.025, 0.1, 0.25), tuple(PROBLEMS), 8000, 200, 100, 0.01, 60)
BATCH_SIZE = 64
"""Of a batch that a penalty is taken on: 16 images of a class, beside what a bank holds of it."""
LATE = 0.999
"""Share of the training at which it is: what anneals has."""
NOISE_OF_BASE = 0.15
"""Largest deviation that a base adds to a feature."""


def bounds_what_it_declares(case: Case) -> None:
    """On features of known information the estimate keeps its side, an upper one on Gaussians its ``tightness``.

    Its own parameters are trained on frozen features first, which must not take an upper bound below the truth.
    """
    level = _level(case)
    for sigma in _sigmas(case):
        for name in level.problems if case.create.bound != "none" else ():
            measured, truth = _against_truth(case, PROBLEMS[name](), sigma, level.steps)
            _keeps_its_side(case, measured, truth, f"{name}, sigma {sigma}", tight=name == TIGHT)


def falls_as_features_shrink(case: Case) -> None:
    """At half the size features tell less, and the estimate says so by a quarter of the difference at least."""
    if case.create.bound == "none":
        return
    problem = PROBLEMS["mixture"]()
    for sigma in _sigmas(case):
        measured, truth = _against_truth(case, problem, sigma)
        shrunk, less = _against_truth(case, problem.scaled(0.5), sigma)
        require(
            measured - shrunk > (truth.least - less.least) / 4,
            f"at half the size the truth falls by {truth.least - less.least:.4f}, the bound by {measured - shrunk:.4f}",
        )


def rises_as_the_noise_falls(case: Case) -> None:
    """Through half the noise features tell more, and the estimate says so by a quarter of the difference at least."""
    if case.create.bound == "none":
        return
    problem = PROBLEMS["mixture"]()
    for sigma in _sigmas(case):
        measured, truth = _against_truth(case, problem, sigma)
        louder, more = _against_truth(case, problem, sigma / 2)
        require(
            louder - measured > (more.least - truth.least) / 4,
            f"at half the noise the truth rises by {more.least - truth.least:.4f}, "
            f"the bound by {louder - measured:.4f}",
        )


def follows_the_client(case: Case) -> None:
    """Fitted to features that have gone, an upper bound is within its ``tightness`` after the next epoch's end."""
    if case.create.bound != "upper":
        return
    problem = PROBLEMS[TIGHT]()
    for sigma in _sigmas(case):
        measured, truth = _against_truth(case, problem, sigma, before=problem.scaled(3.0))
        _keeps_its_side(case, measured, truth, f"features that moved, sigma {sigma}")


def penalises_what_it_estimates(case: Case) -> None:
    """A step down the penalty is one down the estimate, of an upper bound; of a lower one, a step up."""
    if case.create.bound == "none":
        return
    side = 1 if case.create.bound == "upper" else -1
    torch.manual_seed(3)
    draw = PROBLEMS["correlated"]().draw
    defense = _attached(case)
    _end_epoch(defense, *draw(600), epoch=0)
    z, y = draw(BATCH_SIZE)
    z = z.requires_grad_()
    penalty = defense.penalty(_batch(defense, z, y, case.sigma))
    require(penalty.requires_grad, "the penalty's gradient does not reach the features that it bounds")
    down = torch.autograd.grad(penalty, z, allow_unused=True)[0]
    require(down is not None and bool(down.norm() > 0), "the penalty's gradient does not reach the features")
    slope = torch.autograd.grad(_estimate(defense, z, y, case.sigma), z)[0]
    assert down is not None
    cosine = float(nn.functional.cosine_similarity(down.flatten(), slope.flatten(), dim=0))
    require(side * cosine > 0.1, f"penalty and estimate pull apart: their gradients' cosine is {cosine:.2f}")


def charges_what_it_bounds(case: Case) -> None:
    """In training, banks full, an upper bound is charged in nats per feature: no less than the truth, no looser."""
    for problem in (TIGHT, "mixture") if not case.thorough else PROBLEMS:
        for sigma in _sigmas(case):
            _charges(case, Defense(), PROBLEMS[problem](), sigma, problem, tight=problem == TIGHT)


def bounds_what_a_base_releases(case: Case) -> None:
    """Beside a defense that adds Gaussian noise or rounds, a penalty charges what the release tells.

    Where the noise is not Gaussian, or depends on the image, ``bound_beside`` says that it bounds nothing.
    """
    if case.create.bound != "upper" or case.create.forward is not Defense.forward:
        return
    for sigma in _sigmas(case):
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
    level = _level(case)
    defense = _attached(case)
    own = base if case.create.forward is Defense.forward else defense
    z, y = problem.draw(level.features)
    for epoch in (0, 1):
        _end_epoch(defense, own.signal(z, sigma).detach(), y, epoch=epoch)
    weight, charged = float(case.settings.get(strength, _defaults(case)[strength])), []
    for batch in range(2 * level.batches):
        z, y = problem.draw(BATCH_SIZE)
        penalty = defense.penalty(_batch(own, z, y, sigma))
        if batch >= level.batches:
            charged.append(float(penalty.detach()) / weight)
    truth = problem.truth(own.total_noise(z, sigma).detach().flatten())
    _keeps_its_side(case, sum(charged) / len(charged) + LACKING, truth, f"the penalty, {where}, sigma {sigma}", tight)


def _keeps_its_side(case: Case, measured: float, truth: Interval, where: str, tight: bool = True) -> None:
    tolerance, kind = _level(case).tolerance, case.create.bound
    if kind == "upper":
        require(
            measured >= (1 - tolerance) * truth.least,
            f"{where}: the upper bound is {measured:.4f}, the truth {truth.least:.4f}",
        )
        require(
            not tight or measured <= case.create.tightness * truth.most,
            f"{where}: the bound is {measured:.4f}, over {case.create.tightness:g} times the truth {truth.most:.4f}",
        )
    if kind == "lower":
        require(
            measured <= (1 + tolerance) * truth.most,
            f"{where}: the lower bound is {measured:.4f}, the truth {truth.most:.4f}",
        )


def _against_truth(
    case: Case, problem: Problem, sigma: float, steps: int = 0, before: Problem | None = None
) -> tuple[float, Interval]:
    """Return the estimate on fresh features and the truth; ``before`` is what an earlier epoch saw."""
    torch.manual_seed(2)
    level = _level(case)
    steps = steps or level.few
    defense = _attached(case)
    if before is not None:
        z, y = before.draw(level.features)
        _end_epoch(defense, z, y, epoch=0)
        _train(defense, z, y, sigma, steps)
    (z, y), (fresh, labels) = problem.draw(level.features), problem.draw(level.features)
    _end_epoch(defense, z, y, epoch=0 if before is None else 1)
    _train(defense, z, y, sigma, steps)
    value = float(_estimate(defense.eval(), fresh, labels, sigma).detach())
    # what forward itself adds hides the features too; it is taken as Gaussian
    return value, problem.truth(defense.total_noise(fresh, sigma).detach().flatten())


def _rounded(problem: Problem) -> Problem:
    """Return features just beside the edge that rounding to whole numbers has at 1/2: what is released is 0 or 1."""

    def draw(count: int) -> tuple[Tensor, Tensor]:
        z, y = problem.draw(count)
        of_class = 0.3 * y.view(-1, 1, 1, 1)
        return 0.499 + 0.002 * (z - of_class), y

    return Problem(draw, problem.truth)


def _defaults(case: Case) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(case.create).parameters.items()}


def _level(case: Case) -> Level:
    return WHOLE if case.thorough else SMALL


def _sigmas(case: Case) -> Iterator[float]:
    yield from _level(case).sigmas or (case.sigma,)


def _attached(case: Case) -> Defense:
    defense = case.create(**case.settings)
    defense.attach(nn.Identity(), SHAPES)
    return defense


def _end_epoch(defense: Defense, z: Tensor, y: Tensor, epoch: int) -> None:
    defense.end_epoch(
        Epoch(
            features=functools.partial(_given, z), y=y, model=nn.Identity(), batch_size=BATCH_SIZE,
            progress=0.1 * (epoch + 1), lr=0.05, epoch=epoch,
        )
    )  # fmt: skip


def _given(z: Tensor, augment: bool = False) -> Tensor:
    return z


def _batch(base: Defense, z: Tensor, y: Tensor, sigma: float) -> Batch:
    released = base(z)
    return Batch(
        x=torch.zeros(len(z), *SHAPES.image), client=nn.Identity(), z_clean=z, z=released + sigma * torch.randn_like(z),
        y=y, sigma=sigma, progress=LATE, lr=0.01, epoch=2, defense=base,
    )  # fmt: skip


def _estimate(defense: Defense, z: Tensor, y: Tensor, sigma: float) -> Tensor:
    if not isinstance(defense, HasEstimate):
        raise AssertionError(f"it declares a bound ({defense.bound}) but has no method `estimate`")
    return defense.estimate(z, y, sigma)


def _train(defense: Defense, z: Tensor, y: Tensor, sigma: float, steps: int) -> None:
    """Train a defense's own parameters on its estimate, as its own optimisers would."""
    parameters = [parameter for parameter in defense.parameters() if parameter.requires_grad]
    if not parameters:
        return
    trained = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(steps):
        chosen = torch.randint(len(y), (128,))
        trained.zero_grad()
        torch.autograd.backward(_estimate(defense, z[chosen], y[chosen], sigma))
        trained.step()
