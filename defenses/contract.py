"""What must hold of every defense, as checks that a plug-in's author runs on their class.

A plug-in's whole test is::

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(contract.Case(Mine, {"alpha": 0.3}))

``Case(..., thorough=True)`` holds bounds to 1 % at three levels of noise, on features of every kind, in up to a minute.
"""

import functools
import inspect
import io
import math
from collections.abc import Callable

import torch
from torch import Tensor

from attacks.refusals import must_refuse
from defenses.base import Defense
from defenses.contract_bench import NUM_IMAGES, SHAPES, Bench, Case, HasEstimate, require
from defenses.contract_bounds import (
    bounds_what_it_declares,
    falls_as_features_shrink,
    follows_the_client,
    rises_as_the_noise_falls,
)
from defenses.contract_charges import (
    bounds_what_a_base_releases,
    charges_what_it_bounds,
    penalises_what_it_estimates,
)
from defenses.contract_jumps import says_where_it_jumps
from defenses.contract_training import (
    lets_gradients_through,
    minds_what_changes_the_function,
    pays_only_for_what_hides,
    reaches_the_client,
    trains_for_an_epoch,
)

__all__ = ["LAWS", "NUM_IMAGES", "SHAPES", "Bench", "Case", "HasEstimate"]

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


def repeats_itself(case: Case) -> None:
    """The same seed gives the same fit, release and penalty."""
    first, second = Bench(case), Bench(case)
    for key, value in first.defense.state_dict().items():
        require(torch.equal(value, second.defense.state_dict()[key]), f"the same seed fits another {key}")
    require(torch.equal(first.penalty(), second.penalty()), "the same seed gives another penalty")
    require(torch.equal(_released(first), _released(second)), "the same seed gives another release")


def survives_saving(case: Case) -> None:
    """A fresh defense that loads the state of a fitted one releases, and is penalised, as that one."""
    fitted = Bench(case)
    fitted.penalty()
    fresh = Bench(case, fit=False)
    file = io.BytesIO()
    torch.save([fitted.defense.state_dict(), fitted.client.state_dict()], file)
    file.seek(0)
    for module, state in zip((fresh.defense, fresh.client), torch.load(file, weights_only=True), strict=True):
        module.load_state_dict(state)
    require(torch.equal(_released(fitted), _released(fresh)), "a loaded defense releases otherwise")
    require(torch.equal(fitted.penalty(), fresh.penalty()), "a loaded defense is penalised otherwise")


def moves_between_devices(case: Case) -> None:
    """Every tensor is a parameter or a buffer, so that it moves with the module; the client is not kept."""
    bench = Bench(case)
    bench.penalty()
    for path, module in bench.defense.named_modules():
        hidden = [key for key, value in vars(module).items() if isinstance(value, Tensor)]
        require(not hidden, f"{path or 'the defense'} holds {hidden} as plain attributes; register them as buffers")
        require(module is not bench.client, f"the defense keeps the client as {path}")
    if torch.cuda.is_available():
        z = bench.features().cuda()
        require(bench.defense.cuda()(z).device == z.device, "forward leaves the device of its input")


def refuses_bad_settings(case: Case) -> None:
    """Negative and non-finite numbers are refused by a ``ValueError`` that names the setting."""
    defaults = {key: parameter.default for key, parameter in inspect.signature(case.create).parameters.items()}
    for name, value in (defaults | case.settings).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for bad in (math.nan, math.inf, -math.inf, *(() if name in case.signed else (-1,))):
            must_refuse(functools.partial(case.create, **(case.settings | {name: bad})), name, bad)


def ignores_the_order_of_a_batch(case: Case) -> None:
    """The estimate does not depend on the order of the batch, in eval mode."""
    bench = Bench(case)
    defense = bench.defense.eval()
    if not isinstance(defense, HasEstimate):
        return
    z, order = bench.features(), torch.randperm(NUM_IMAGES)
    values = [defense.estimate(z[i], bench.y[i], case.sigma).detach() for i in (torch.arange(NUM_IMAGES), order)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-6)


LAWS: dict[str, Callable[[Case], None]] = {
    law.__name__: law
    for law in (
        keeps_the_shape,
        strength_zero_is_the_identity,
        has_one_law,
        releases_each_image_by_itself,
        releases_by_its_law,
        says_where_it_jumps,
        lets_gradients_through,
        reaches_the_client,
        minds_what_changes_the_function,
        pays_only_for_what_hides,
        trains_for_an_epoch,
        repeats_itself,
        survives_saving,
        moves_between_devices,
        refuses_bad_settings,
        ignores_the_order_of_a_batch,
        bounds_what_it_declares,
        falls_as_features_shrink,
        rises_as_the_noise_falls,
        follows_the_client,
        penalises_what_it_estimates,
        charges_what_it_bounds,
        bounds_what_a_base_releases,
    )
}


def _released(bench: Bench) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        z: Tensor = bench.defense(bench.features())
    return z
