"""The laws of the contract about bounds: valid and tight on features of known information."""

import torch
from torch import Tensor

from defenses.base import Defense
from defenses.contract.bench import Case, require
from defenses.contract.features import PROBLEMS, Interval, Problem
from defenses.contract.levels import TIGHT, attached, end_epoch, estimate, keeps_its_side, level_of, sigmas_of


def bounds_what_it_declares(case: Case) -> None:
    """On features of known information the estimate keeps its side, an upper one on Gaussians its ``tightness``.

    Its own parameters are trained on frozen features first, which must not take an upper bound below the truth.
    """
    level = level_of(case)
    for sigma in sigmas_of(case):
        for name in level.problems if case.create.bound != "none" else ():
            measured, truth = _against_truth(case, PROBLEMS[name](), sigma, level.steps)
            keeps_its_side(case, measured, truth, f"{name}, sigma {sigma}", tight=name == TIGHT)


def falls_as_features_shrink(case: Case) -> None:
    """At half the size features tell less, and the estimate says so by a quarter of the difference at least."""
    if case.create.bound == "none":
        return
    problem = PROBLEMS["mixture"]()
    for sigma in sigmas_of(case):
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
    for sigma in sigmas_of(case):
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
    for sigma in sigmas_of(case):
        measured, truth = _against_truth(case, problem, sigma, before=problem.scaled(3.0))
        keeps_its_side(case, measured, truth, f"features that moved, sigma {sigma}")


def _against_truth(
    case: Case, problem: Problem, sigma: float, steps: int = 0, before: Problem | None = None
) -> tuple[float, Interval]:
    """Return the estimate on fresh features and the truth; ``before`` is what an earlier epoch saw."""
    torch.manual_seed(2)
    level = level_of(case)
    steps = steps or level.few
    defense = attached(case)
    if before is not None:
        z, y = before.draw(level.features)
        end_epoch(defense, z, y, epoch=0)
        _train(defense, z, y, sigma, steps)
    (z, y), (fresh, labels) = problem.draw(level.features), problem.draw(level.features)
    end_epoch(defense, z, y, epoch=0 if before is None else 1)
    _train(defense, z, y, sigma, steps)
    value = float(estimate(defense.eval(), fresh, labels, sigma).detach())
    # what forward itself adds hides the features too; it is taken as Gaussian
    return value, problem.truth(defense.total_noise(fresh, sigma).detach().flatten())


def _train(defense: Defense, z: Tensor, y: Tensor, sigma: float, steps: int) -> None:
    """Train a defense's own parameters on its estimate, as its own optimisers would."""
    parameters = [parameter for parameter in defense.parameters() if parameter.requires_grad]
    if not parameters:
        return
    trained = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(steps):
        chosen = torch.randint(len(y), (128,))
        trained.zero_grad()
        torch.autograd.backward(estimate(defense, z[chosen], y[chosen], sigma))
        trained.step()
