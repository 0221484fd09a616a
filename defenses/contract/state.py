"""The laws of the contract about what a defense is made of: seeds, saved state, devices, settings."""

import functools
import inspect
import io
import math

import torch
from torch import Tensor

from attacks.refusals import must_refuse
from defenses.contract.bench import Bench, Case, require


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


def _released(bench: Bench) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        z: Tensor = bench.defense(bench.features())
    return z
