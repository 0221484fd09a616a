"""The laws of the contract about the release: its shape, its distribution, and what it may depend on."""

import math

import torch
from torch import Tensor

from defenses.base import Defense
from defenses.contract.bench import NUM_IMAGES, Bench, Case, HasEstimate, require

DRAWS = 400
NEIGHBOURS = 4
"""Other images beside the one that is looked at."""


def keeps_the_shape(case: Case) -> None:
    """The release has the activation's shape and type, for batches of any size."""
    bench = Bench(case)
    for size in (1, 5):
        z = bench.features()[:size]
        released = bench.defense(z)
        require(released.shape == z.shape, f"forward maps {tuple(z.shape)} to {tuple(released.shape)}")
        require(released.dtype == z.dtype, f"forward maps {z.dtype} to {released.dtype}")


def strength_zero_is_the_identity(case: Case) -> None:
    """At strength 0 the release is the activation in eval mode, and the loss is that of no defense."""
    name = case.create.strength
    if name is None:
        return
    bench = Bench(case, changed={name: 0})
    bench.defense.eval()
    z = bench.features()
    require(torch.equal(bench.defense(z), z), f"at {name} 0 forward changes the activation")
    require(torch.equal(bench.defense.mean(z), z), f"at {name} 0 mean changes the activation")
    require(bool(torch.as_tensor(bench.defense.noise_std(z)).eq(0).all()), f"at {name} 0 noise_std is not 0")
    penalty = float(bench.penalty().detach())
    require(penalty == 0, f"at {name} 0 the penalty is {penalty}, not 0")


def has_one_law(case: Case) -> None:
    """Train and eval mode release alike; ``mean`` and ``noise_std`` are those of ``forward``, feature by feature."""
    bench = Bench(case)
    z = bench.features()[:8]
    with torch.no_grad():
        mean, std = bench.defense.eval().mean(z), torch.as_tensor(bench.defense.noise_std(z)).expand_as(z)
        said, whole = std.square(), std.square().mean()
        for mode in (True, False):
            bench.defense.train(mode)
            draws = torch.stack([bench.defense(z) for _ in range(DRAWS)])
            error = (draws.mean(0) - mean).abs()
            allowed = 6 * draws.std(0) / math.sqrt(DRAWS) + 1e-5
            require(bool((error <= allowed).all()), f"training={mode}: mean(z) is not the mean of forward(z)")
            seen = draws.var(0)
            require(
                bool((seen.mean().sqrt() - whole.sqrt()).abs() <= 0.1 * whole.sqrt() + 1e-5),
                f"training={mode}: forward(z) deviates by {float(seen.mean().sqrt()):.4g}, "
                f"noise_std(z) says {float(whole.sqrt()):.4g}",
            )
            # a rare event may not have been seen: a tenth of the whole is let pass
            off = (seen - said).abs() - 0.6 * torch.maximum(seen, said) - 0.1 * whole - 1e-8
            worst = int(off.argmax())
            require(
                bool(off.flatten()[worst] <= 0),
                f"training={mode}: feature {worst % z[0].numel()} deviates by "
                f"{float(seen.flatten()[worst].sqrt()):.4g}, "
                f"noise_std(z) says {float(std.flatten()[worst]):.4g}",
            )


def releases_each_image_by_itself(case: Case) -> None:
    """What is released of an image, and by how much it varies, does not depend on the images beside it."""
    bench = Bench(case)
    z = bench.features()
    one, others = z[:1], (z[1 : 1 + NEIGHBOURS], 3 * z[50 : 50 + NEIGHBOURS] + 1)
    for mode in (True, False):
        bench.defense.train(mode)
        seen = []
        with torch.no_grad():
            for beside in others:
                together = torch.cat([one, beside])
                draws = torch.stack([bench.defense(together)[0] for _ in range(DRAWS)])
                std = torch.as_tensor(bench.defense.noise_std(together)).expand_as(together)[0]
                seen.append((draws.mean(0), draws.std(0), bench.defense.mean(together)[0], std))
        (mean, spread, told, std), (other, wider, retold, restd) = seen
        allowed = 7 * (spread + wider) / math.sqrt(DRAWS) + 1e-5
        alike = bool(((mean - other).abs() <= allowed).all()) and torch.allclose(told, retold, rtol=1e-4, atol=1e-5)
        alike = alike and torch.allclose(std, restd, rtol=1e-4, atol=1e-6)
        alike = alike and bool((spread.mean() - wider.mean()).abs() <= 0.2 * spread.mean() + 1e-5)
        require(alike, f"training={mode}: the release of an image changes with its neighbours in the batch")


def hides_by_image_or_draw(case: Case) -> None:
    """What a defense sets to 0, if it says that it masks, differs between images or draws: else nothing is hidden."""
    if not case.create.masks:
        return
    bench = Bench(case)
    hidden = {bytes(image) for image in (bench.defense(bench.features()) == 0).flatten(1).cpu().numpy()}
    require(len(hidden) > 1, f"the same {NUM_IMAGES} times over, one set of features is 0: one mask for all images")


def releases_by_its_law(case: Case) -> None:
    """What it says of how releases are distributed is so, unless it says that it does not know (``Defense.law``).

    Between two activations that differ in one feature, with p the share that ``exact_surprise`` gives to the second:
    ``E_1[p] = E_2[1 - p]`` and ``E_1[p^2] = E_2[p (1 - p)]`` where the odds are right.
    """
    bench = Bench(case)
    if bench.defense.eval().law(case.sigma) not in ("gaussian", "surprise"):
        return
    torch.manual_seed(2)
    with torch.no_grad():
        one = bench.features()[:8].repeat(DRAWS, 1, 1, 1)
        own = torch.as_tensor(bench.defense.noise_std(one)).expand_as(one)[:, 0, 0, 0]
        two = one.clone()
        two[:, 0, 0, 0] += 1.5 * (own.square() + case.sigma**2).sqrt()
        first, second = (_share_of_second(bench.defense, each, one, two, case.sigma) for each in (one, two))
    for balance in (first - (1 - second), first.square() - second * (1 - second)):
        off, error = float(balance.mean()), float(balance.std()) / math.sqrt(len(balance))
        require(abs(off) <= 4.5 * error + 1e-3, f"law: releases are not as exact_surprise says, by {off:.3g}")


def _share_of_second(defense: Defense, of: Tensor, one: Tensor, two: Tensor, sigma: float) -> Tensor:
    z = defense(of)
    z = z + sigma * torch.randn_like(z)
    return torch.sigmoid(defense.exact_surprise(z, one, sigma) - defense.exact_surprise(z, two, sigma))


def ignores_the_order_of_a_batch(case: Case) -> None:
    """The estimate does not depend on the order of the batch, in eval mode."""
    bench = Bench(case)
    defense = bench.defense.eval()
    if not isinstance(defense, HasEstimate):
        return
    z, order = bench.features(), torch.randperm(NUM_IMAGES)
    values = [defense.estimate(z[i], bench.y[i], case.sigma).detach() for i in (torch.arange(NUM_IMAGES), order)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-6)
