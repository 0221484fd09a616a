"""The laws of the contract about training: whom a penalty and the task's loss reach, and what a penalty falls by."""

import math

import torch
from torch import Tensor, nn

from defenses.base import Defense
from defenses.contract.bench import BATCH_SIZE, NUM_IMAGES, SHAPES, Bench, Case, norm, optimisers, require
from defenses.information import codebook

LEAST_THROUGH = 0.05
"""Share of what a release answers to a change of the activation that its gradient must tell of."""
STEPS, STEP = 25, 0.1
"""Steps in which one of a defense's parameters goes down its penalty, and the most that one moves it."""
FIRST_STEP = {"progress": 0.0, "epoch": 0, "lr": 0.05}
LAST_STEP = {"progress": 0.99, "epoch": 9, "lr": 1e-4}
"""Fields of a ``Batch`` in a training's first step and in its last."""
ALIKE = 1 / 3
"""Least ratio of a penalty's gradients on the client in the first and the last step, on one batch."""
QUIET, QUIET_IMAGES = 0.1, 16
"""Deviation of activations that noise hides in part, and how many of them there are."""


def lets_gradients_through(case: Case) -> None:
    """The task's gradient reaches the client through the release as strongly as the release answers to the activation.

    And the penalty's gradient is finite and goes somewhere.
    """
    bench = Bench(case)
    parameters = [*bench.client.parameters(), *bench.defense.parameters()]
    through = norm(bench.batch().z.square().mean(), list(bench.client.parameters()))
    require(0 < through < math.inf, f"the task's gradient on the client has norm {through}")
    _tells_of_changes(bench)
    penalty = bench.penalty()
    require(penalty.shape == () and bool(penalty.isfinite()), f"the penalty is {penalty}, not a finite scalar")
    if penalty.requires_grad:
        size = norm(penalty, parameters)
        require(0 < size < math.inf, f"the penalty's gradient has norm {size}")


def _tells_of_changes(bench: Bench) -> None:
    """Compare how a release differs between images with what its gradient says along the way from one to the other."""
    one, two = bench.features()[:16], bench.features()[16:32]
    moved = one.clone().requires_grad_()
    torch.manual_seed(2)
    released = bench.defense(moved)
    torch.manual_seed(2)
    with torch.no_grad():
        change = bench.defense(two) - released
    (slope,) = torch.autograd.grad(released, moved, change)
    said, seen = float((slope * (two - one)).sum()), float(change.square().sum())
    require(
        said >= LEAST_THROUGH * seen,
        f"between images the release changes by {seen:.3g}, squared; of that its gradient tells {said:.3g}",
    )


def reaches_the_client(case: Case) -> None:
    """A penalty pushes on the client, or on parameters that shape the release: not on the defense's own alone."""
    bench = Bench(case)
    penalty, own = bench.penalty(), list(bench.defense.parameters())
    if not penalty.requires_grad or norm(penalty, list(bench.client.parameters())) > 0:
        return
    released = bench.defense(bench.features()[:8]).square().sum()
    shaping = [parameter for parameter in own if norm(released, [parameter]) > 0]
    require(
        norm(penalty, shaping) > 0,
        "the penalty trains the defense alone: neither the client nor what shapes the release feels it",
    )


def starts_with_the_others(case: Case) -> None:
    """Under a recipe's ramp, which the trainer multiplies by, a fitted penalty pulls on the client from the first step.

    A start or a schedule of its own, also of its source, is for recipes without one (``Batch.published``).
    """
    bench = Bench(case)
    client = list(bench.client.parameters())
    pulls = [norm(bench.penalty(published=False, **when), client) for when in (FIRST_STEP, LAST_STEP)]
    first, last = (f"{pull:.3g}" for pull in pulls)
    require(
        min(pulls) >= ALIKE * max(pulls),
        f"under a ramp the penalty pulls on the client by {first} in the first step and {last} in the last: its start "
        "is its own",
    )


def minds_what_changes_the_function(case: Case) -> None:
    """Behind a batch norm the size of a client's weights changes nothing, and no penalty pulls on it."""
    bench = Bench(case, normalised=True)
    weight = bench.convolution.weight
    penalty = bench.penalty()
    slope = torch.autograd.grad(penalty, weight, allow_unused=True)[0] if penalty.requires_grad else None
    if slope is None or float(slope.norm()) == 0:
        return
    along = float(nn.functional.cosine_similarity(slope.flatten(), weight.detach().flatten(), dim=0))
    require(abs(along) < 0.05, f"the penalty pulls on weights that a batch norm scales back: cosine {along:.2f}")


def pays_only_for_what_hides(case: Case) -> None:
    """Where a learned noise rises and the penalty falls by it, a single release tells less of its image."""
    bench = Bench(case)
    defense, z = bench.defense, torch.zeros(QUIET_IMAGES, *SHAPES.activation)
    z[:, 0, 0] = QUIET * torch.randn(QUIET_IMAGES, SHAPES.activation[2])  # so few that noise can hide them
    if defense.masks or defense.law(case.sigma) not in ("gaussian", "surprise"):
        return
    for name, parameter in defense.named_parameters():
        noise = torch.as_tensor(defense.noise_std(z)).sum()
        if norm(noise, [parameter]) == 0 or norm(bench.penalty(), [parameter]) == 0:
            continue
        before, told, start = _rms(defense, z), _told(defense, z, bench.sigma), parameter.detach().clone()
        paid, fallen = _descended(bench, parameter)
        after, left = _rms(defense, z), _told(defense, z, bench.sigma)
        require(
            fallen > 0.95 * paid or after < 1.2 * before or left < 0.97 * told,
            f"by {name} the noise rises from {before:.3g} to {after:.3g} and the penalty falls from {paid:.3g} to "
            f"{fallen:.3g}, and a release still tells {left:.3g} nats of its image, {told:.3g} before",
        )
        with torch.no_grad():
            parameter.copy_(start)


def _descended(bench: Bench, parameter: nn.Parameter) -> tuple[float, float]:
    """Move one parameter down the penalty until that has halved; return it before and after."""
    paid = float(bench.penalty().detach())
    for _ in range(STEPS):
        penalty = bench.penalty()
        if float(penalty.detach()) < paid / 2:
            break
        (slope,) = torch.autograd.grad(penalty, parameter)
        with torch.no_grad():
            parameter.sub_(STEP * slope / slope.abs().max().clamp(min=1e-12))
    return paid, float(bench.penalty().detach())


def _rms(defense: Defense, z: Tensor) -> float:
    return float(torch.as_tensor(defense.noise_std(z)).detach().square().mean().sqrt())


@torch.no_grad()
def _told(defense: Defense, z: Tensor, sigma: float) -> float:
    torch.manual_seed(7)
    found = codebook(defense, z, torch.zeros(len(z), dtype=torch.int64), sigma)
    assert found is not None
    return found.nats


def trains_for_an_epoch(case: Case) -> None:
    """Client and defense trained together for an epoch stay finite, and the defense refits and is penalised after."""
    bench = Bench(case, fit=False)
    head = nn.Linear(math.prod(SHAPES.activation), SHAPES.num_classes)
    trained = optimisers(bench.defense, bench.client, head, lr=0.01)
    for step in range(NUM_IMAGES // BATCH_SIZE):
        batch = bench.batch(torch.arange(BATCH_SIZE) + BATCH_SIZE * step, progress=0.1 + step / 100)
        loss = nn.functional.cross_entropy(head(batch.z.flatten(1)), batch.y) + bench.defense.penalty(batch)
        for optimiser in trained:
            optimiser.zero_grad()
        torch.autograd.backward(loss)
        if bench.defense.freezes_the_network():
            bench.client.zero_grad()
        for optimiser in trained:
            optimiser.step()
    bench.fit()
    state = [*bench.defense.state_dict().items(), *bench.client.state_dict().items(), ("penalty", bench.penalty())]
    lost = [key for key, value in state if not bool(value.isfinite().all())]
    require(not lost, f"after an epoch {lost} are not finite")
