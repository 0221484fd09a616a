"""What must hold of every defense, as checks that a plug-in's author runs on their class.

A plug-in's whole test is::

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(contract.Case(Mine, {"alpha": 0.3}))
"""

import functools
import inspect
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.refusals import must_refuse
from defenses.base import Batch, Defense, Epoch, Shapes

SHAPES = Shapes(image=(3, 16, 16), activation=(8, 4, 4), num_classes=4)
NUM_IMAGES = 160
DRAWS = 400
NUM_SYNTHETIC = 4000
"""Features of known information."""
NUM_COMPONENTS = 3
"""Components of each class of theirs."""
TRAINING_STEPS = 200
BOUND_TOLERANCE = 0.03
"""Share of the truth by which a bound may miss its side: the sampling error of 4,000 features."""


@dataclass(frozen=True)
class Case:
    """A defense under test."""

    create: type[Defense]
    """Its class."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings under which it does something."""
    sigma: float = 0.1
    """Standard deviation of the channel noise, >= 0."""
    signed: frozenset[str] = frozenset()
    """Numeric settings that may be negative."""


@runtime_checkable
class HasEstimate(Protocol):
    """A defense that can be asked for its own measure of the information in a release."""

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the measure; of a defense that declares a ``bound``, nats of I(x; z | y) per feature."""


class Bench:
    """A defense attached to a small client, with a training part to be fitted on; everything seeded."""

    def __init__(self, case: Case, *, fit: bool = True, changed: Mapping[str, Any] = MappingProxyType({})) -> None:
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, SHAPES.activation[0], 5, stride=4, padding=2)
        nn.init.normal_(convolution.weight, std=0.3)
        self.client = nn.Sequential(convolution, nn.Sigmoid())
        self.y = torch.arange(NUM_IMAGES) % SHAPES.num_classes
        self.x = 0.6 * torch.rand(NUM_IMAGES, *SHAPES.image) + self.y.view(-1, 1, 1, 1) / 10
        self.sigma = case.sigma
        self.defense = case.create(**{**case.settings, **changed})
        self.defense.attach(self.client, SHAPES)
        if fit:
            self.fit()

    def features(self, augment: bool = False) -> Tensor:
        """Return the activations of the training part, ``(N, C, H, W)``."""
        with torch.no_grad():
            z: Tensor = self.client(self.x)
        return z

    def fit(self) -> None:
        """End the first epoch."""
        self.defense.end_epoch(
            Epoch(features=self.features, y=self.y, model=self.client, batch_size=32, progress=0.1, lr=0.05, epoch=0)
        )

    def batch(self, order: Tensor | None = None) -> Batch:
        """Return a step of the second epoch on the first 32 images, ``order`` rearranging them."""
        chosen = torch.arange(32) if order is None else order
        x, y = self.x[chosen], self.y[chosen]
        z_clean = self.client(x)
        z = self.defense(z_clean)
        z = z + self.sigma * torch.randn_like(z)
        return Batch(
            x=x, client=self.client, z_clean=z_clean, z=z, y=y, sigma=self.sigma, progress=0.1, lr=0.05, epoch=1
        )

    def penalty(self) -> Tensor:
        """Return the penalty of that step, ``()``, from a fixed seed."""
        torch.manual_seed(1)
        return self.defense.penalty(self.batch())


def keeps_the_shape(case: Case) -> None:
    """The release has the activation's shape and type, for batches of any size."""
    bench = Bench(case)
    for size in (1, 5):
        z = bench.features()[:size]
        released = bench.defense(z)
        _require(released.shape == z.shape, f"forward maps {tuple(z.shape)} to {tuple(released.shape)}")
        _require(released.dtype == z.dtype, f"forward maps {z.dtype} to {released.dtype}")


def strength_zero_is_the_identity(case: Case) -> None:
    """At strength 0 the release is the activation in eval mode, and the loss is that of no defense."""
    name = case.create.strength
    if name is None:
        return
    bench = Bench(case, changed={name: 0})
    bench.defense.eval()
    z = bench.features()
    _require(torch.equal(bench.defense(z), z), f"at {name} 0 forward changes the activation")
    _require(torch.equal(bench.defense.mean(z), z), f"at {name} 0 mean changes the activation")
    _require(bool(torch.as_tensor(bench.defense.noise_std(z)).eq(0).all()), f"at {name} 0 noise_std is not 0")
    penalty = float(bench.penalty().detach())
    _require(penalty == 0, f"at {name} 0 the penalty is {penalty}, not 0")


def has_one_law(case: Case) -> None:
    """Train and eval mode release alike, and ``mean`` and ``noise_std`` are those of ``forward``."""
    bench = Bench(case)
    z = bench.features()[:8]
    with torch.no_grad():
        mean, std = bench.defense.eval().mean(z), torch.as_tensor(bench.defense.noise_std(z)).expand_as(z)
        for mode in (True, False):
            bench.defense.train(mode)
            draws = torch.stack([bench.defense(z) for _ in range(DRAWS)])
            error = (draws.mean(0) - mean).abs()
            allowed = 6 * draws.std(0) / math.sqrt(DRAWS) + 1e-5
            _require(bool((error <= allowed).all()), f"training={mode}: mean(z) is not the mean of forward(z)")
            seen, said = draws.std(0).square().mean().sqrt(), std.square().mean().sqrt()
            _require(
                bool((seen - said).abs() <= 0.1 * said + 1e-5),
                f"training={mode}: forward(z) deviates by {float(seen):.4g}, noise_std(z) says {float(said):.4g}",
            )


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
        _require(abs(off) <= 4.5 * error + 1e-3, f"law: releases are not as exact_surprise says, by {off:.3g}")


def _share_of_second(defense: Defense, of: Tensor, one: Tensor, two: Tensor, sigma: float) -> Tensor:
    z = defense(of)
    z = z + sigma * torch.randn_like(z)
    return torch.sigmoid(defense.exact_surprise(z, one, sigma) - defense.exact_surprise(z, two, sigma))


def lets_gradients_through(case: Case) -> None:
    """The task's gradient reaches the client through the release, and the penalty's is finite and goes somewhere."""
    bench = Bench(case)
    parameters = [*bench.client.parameters(), *bench.defense.parameters()]
    through = _gradient(bench.batch().z.square().mean(), list(bench.client.parameters()))
    _require(0 < through < math.inf, f"the task's gradient on the client has norm {through}")
    penalty = bench.penalty()
    _require(penalty.shape == () and bool(penalty.isfinite()), f"the penalty is {penalty}, not a finite scalar")
    if penalty.requires_grad:
        norm = _gradient(penalty, parameters)
        _require(0 < norm < math.inf, f"the penalty's gradient has norm {norm}")


def repeats_itself(case: Case) -> None:
    """The same seed gives the same fit, release and penalty."""
    first, second = Bench(case), Bench(case)
    for key, value in first.defense.state_dict().items():
        _require(torch.equal(value, second.defense.state_dict()[key]), f"the same seed fits another {key}")
    _require(torch.equal(first.penalty(), second.penalty()), "the same seed gives another penalty")
    _require(torch.equal(_released(first), _released(second)), "the same seed gives another release")


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
    _require(torch.equal(_released(fitted), _released(fresh)), "a loaded defense releases otherwise")
    _require(torch.equal(fitted.penalty(), fresh.penalty()), "a loaded defense is penalised otherwise")


def moves_between_devices(case: Case) -> None:
    """Every tensor is a parameter or a buffer, so that it moves with the module; the client is not kept."""
    bench = Bench(case)
    bench.penalty()
    for path, module in bench.defense.named_modules():
        hidden = [key for key, value in vars(module).items() if isinstance(value, Tensor)]
        _require(not hidden, f"{path or 'the defense'} holds {hidden} as plain attributes; register them as buffers")
        _require(module is not bench.client, f"the defense keeps the client as {path}")
    if torch.cuda.is_available():
        z = bench.features().cuda()
        _require(bench.defense.cuda()(z).device == z.device, "forward leaves the device of its input")


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


def bounds_what_it_declares(case: Case) -> None:
    """On Gaussians and mixtures of known information the estimate keeps its side, and falls as features shrink.

    Its own parameters are trained on frozen features first, which must not take an upper bound below the truth.
    """
    side = {"upper": 1, "lower": -1, "none": 0}[case.create.bound]
    if side == 0:
        return
    for spread in (0.0, 0.5):
        measured, truth = _against_truth(case, spread, size=1.0)
        _require(
            side * (measured - truth) >= -BOUND_TOLERANCE * truth,
            f"components {spread} apart: the {case.create.bound} bound is {measured:.4f}, the truth {truth:.4f}",
        )
        shrunk, less = _against_truth(case, spread, size=0.5)
        _require(
            measured - shrunk > (truth - less) / 4,
            f"at half the size the truth falls by {truth - less:.4f}, the bound by {measured - shrunk:.4f}",
        )


LAWS: dict[str, Callable[[Case], None]] = {
    "keeps_the_shape": keeps_the_shape,
    "strength_zero_is_the_identity": strength_zero_is_the_identity,
    "has_one_law": has_one_law,
    "releases_by_its_law": releases_by_its_law,
    "lets_gradients_through": lets_gradients_through,
    "repeats_itself": repeats_itself,
    "survives_saving": survives_saving,
    "moves_between_devices": moves_between_devices,
    "refuses_bad_settings": refuses_bad_settings,
    "ignores_the_order_of_a_batch": ignores_the_order_of_a_batch,
    "bounds_what_it_declares": bounds_what_it_declares,
}


def _against_truth(case: Case, spread: float, size: float) -> tuple[float, float]:
    """Return the estimate on fresh features and the truth, nats of I(x; z | y) per feature."""
    torch.manual_seed(2)
    deviation = torch.logspace(-1.7, -0.7, math.prod(SHAPES.activation))
    z, y = _mixture(deviation, spread, size)
    fresh, fresh_y = _mixture(deviation, spread, size)
    defense = case.create(**case.settings)
    if not isinstance(defense, HasEstimate):
        raise AssertionError(f"it declares a bound ({case.create.bound}) but has no method `estimate`")
    defense.attach(nn.Identity(), SHAPES)
    features = functools.partial(_given, z)
    defense.end_epoch(Epoch(features=features, y=y, model=nn.Identity(), batch_size=32, progress=0.1, lr=0.05, epoch=0))
    _train(defense, z, y, case.sigma)
    value = float(defense.eval().estimate(fresh, fresh_y, case.sigma).detach())
    # what forward itself adds hides the features too; it is taken as Gaussian
    own = torch.as_tensor(defense.noise_std(fresh)).detach().expand_as(fresh).flatten(1).square().mean(0)
    gaussian = torch.log1p((size * deviation).square() / (case.sigma**2 + own)).mean() / 2
    components = math.log(NUM_COMPONENTS) / len(deviation) if spread else 0.0
    return value, float(gaussian) + components


def _mixture(deviation: Tensor, spread: float, size: float) -> tuple[Tensor, Tensor]:
    """Return features ``(N, C, H, W)`` and labels; components are so far apart that noise never confuses them."""
    y = torch.arange(NUM_SYNTHETIC) % SHAPES.num_classes
    component = torch.randint(NUM_COMPONENTS, (NUM_SYNTHETIC,))
    means = spread * F.one_hot(torch.arange(len(deviation)) % NUM_COMPONENTS, NUM_COMPONENTS).T[component]
    z = means + y[:, None] + deviation * torch.randn(NUM_SYNTHETIC, len(deviation))
    return (size * z).view(-1, *SHAPES.activation), y


def _given(z: Tensor, augment: bool = False) -> Tensor:
    return z


def _train(defense: HasEstimate, z: Tensor, y: Tensor, sigma: float) -> None:
    parameters = list(defense.parameters()) if isinstance(defense, nn.Module) else []
    if not parameters:
        return
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(TRAINING_STEPS):
        chosen = torch.randint(len(y), (128,))
        optimiser.zero_grad()
        torch.autograd.backward(defense.estimate(z[chosen], y[chosen], sigma))
        optimiser.step()


def _released(bench: Bench) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        z: Tensor = bench.defense(bench.features())
    return z


def _gradient(loss: Tensor, parameters: list[nn.Parameter]) -> float:
    if not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in found if gradient is not None))


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)
