"""Diagnostics by the law of each noise: against densities on a grid, made here from the definition of the noise."""

import functools
import math
from collections.abc import Callable

import numpy
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import defenses
from defenses import contract
from defenses.base import Defense, Law, Shapes
from defenses.information import CODEBOOK, MISSING, NAMES, codebook, information, pairwise
from defenses.laplace import laplace_like

SIGMA = 0.05
SHAPES = Shapes(image=(3, 4, 4), activation=(1, 1, 1), num_classes=2)
STEP = 2e-3
GRID: NDArray[numpy.float64] = numpy.arange(-4.0, 5.0, STEP)
COPIES = 3000
"""Of each activation, so that moments and draws are those of the law."""

Values = NDArray[numpy.float64]


def normal(mean: float, std: float) -> Values:
    return numpy.exp(-((GRID - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))


@functools.cache
def laplace(mean: float, scale: float) -> Values:
    """With the channel noise, as a sum over the latter: a Laplace variable is an exponential mixture of normal ones."""
    rate = (numpy.arange(800) + 0.5) / 800
    variances = -2 * scale**2 * numpy.log(1 - rate)
    return numpy.mean([normal(mean, math.sqrt(v + SIGMA**2)) for v in variances], axis=0)


def of_none(defense: Defense, a: float) -> Values:
    return normal(a, SIGMA)


def of_dropout(defense: Defense, a: float) -> Values:
    return 0.7 * normal(a, SIGMA) + 0.3 * normal(0, SIGMA)


def of_laplace(defense: Defense, a: float) -> Values:
    return laplace(a, 0.1)


def of_shredder(defense: Defense, a: float) -> Values:
    members = zip(defense.location.flatten().tolist(), defense.log_scale.exp().flatten().tolist(), strict=True)
    return numpy.mean([laplace(a + mu, scale) for mu, scale in members], axis=0)


def of_learned_noise(defense: Defense, a: float) -> Values:
    return normal(a, math.hypot(SIGMA, math.sqrt(0.02 * 0.5)))


def of_vib(defense: Defense, a: float) -> Values:
    return normal(a, math.sqrt(SIGMA**2 + math.exp(2 * math.log(0.1) + 2 * a)))


def of_rounding(defense: Defense, a: float) -> Values:
    below = math.floor(a / 0.4)
    up = a / 0.4 - below
    return (1 - up) * normal(0.4 * below, SIGMA) + up * normal(0.4 * (below + 1), SIGMA)


LAWS: dict[str, tuple[str, dict[str, object], Callable[[Defense, float], Values]]] = {
    "none": ("none", {}, of_none),
    "dropout": ("dropout", {"rate": 0.3}, of_dropout),
    "laplace": ("laplace", {"scale": 0.1}, of_laplace),
    "shredder": ("shredder", {"lam": 0.1, "members": 3, "scale": 0.02}, of_shredder),
    "learned_noise": ("learned_noise", {"lam": 0.1, "least": 0.02, "most": 0.5}, of_learned_noise),
    "vib": ("vib", {"lam": 0.1, "scale": 0.1}, of_vib),
    "local_dp": ("local_dp", {"epsilon": 10.0, "mechanism": "laplace"}, of_laplace),
    "dither": ("rounding", {"step": 0.4, "dither": True}, of_rounding),
}
ACTIVATIONS = (0.1, 0.25, 0.3, 0.55, 0.8, 0.95)


def made(name: str) -> Defense:
    torch.manual_seed(0)
    kind, settings, _ = LAWS[name]
    defense = defenses.make(kind, **settings)
    defense.attach(nn.Identity(), SHAPES)
    with torch.no_grad():
        if kind == "shredder":  # members apart, so that a release tells which one it is of
            defense.location.copy_(torch.tensor([-1.0, 0.2, 1.2]).view(3, 1, 1, 1))
        if kind == "vib":  # noise that grows with the feature
            defense.log_variance.weight.fill_(2.0)
    return defense.eval().requires_grad_(False)


def exact(name: str, defense: Defense, activations: tuple[float, ...] = ACTIVATIONS) -> tuple[float, float]:
    """I of which activation it is, by a sum over the grid; and the mean entropy of its releases."""
    each = numpy.array([LAWS[name][2](defense, a) for a in activations])
    assert each.sum(1) * STEP == pytest.approx(numpy.ones(len(each)), abs=1e-4)
    log = numpy.log(each.clip(1e-300))
    entropy = -(each * log).sum(1).mean() * STEP
    whole = each.mean(0)
    return float(-(whole * numpy.log(whole.clip(1e-300))).sum() * STEP - entropy), float(entropy)


def column(values: tuple[float, ...], copies: int = 1) -> Tensor:
    return torch.tensor(values).repeat(copies).view(-1, 1, 1, 1)


@pytest.mark.parametrize("name", LAWS)
def test_exact_surprise_is_the_density_of_what_is_released(name):
    """On the grid, up to what ``normaliser`` says; so of a defense that calls its law Gaussian, too."""
    defense, truth = made(name), numpy.array([LAWS[name][2](made(name), a) for a in ACTIVATIONS])
    points = torch.from_numpy(GRID[1000:4000:10]).float().view(-1, 1, 1, 1)
    nats = pairwise(defense, points, column(ACTIVATIONS), SIGMA) + defense.normaliser(1)
    assert (-nats).exp().T.double().numpy() == pytest.approx(truth[:, 1000:4000:10], abs=2e-3)
    z = torch.cat([defense(column((0.3,), 40_000)) + SIGMA * torch.randn(40_000, 1, 1, 1)]).flatten().numpy()
    moments = [(GRID**k * LAWS[name][2](defense, 0.3)).sum() * STEP for k in (1, 2)]
    assert [z.mean(), (z**2).mean()] == pytest.approx(moments, abs=0.02)


@pytest.mark.parametrize("name", LAWS)
def test_a_codebooks_information_is_that_of_the_density(name):
    defense = made(name)
    truth, _ = exact(name, defense)
    torch.manual_seed(1)
    books = [codebook(defense, column(ACTIVATIONS), torch.zeros(6, dtype=torch.int64), SIGMA) for _ in range(150)]
    nats, error = (float(numpy.mean([getattr(book, part) for book in books])) for part in ("nats", "error"))
    assert abs(nats - truth) < 4 * error / 150**0.5
    assert books[0].most == pytest.approx(math.log(6))
    spread = float(numpy.std([book.nats for book in books]))
    assert error == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("name", LAWS)
def test_bounds_lie_above_the_exact_information_and_are_what_their_formulas_say(name):
    defense = made(name)
    truth, entropy = exact(name, defense)
    found = information(defense, column(ACTIVATIONS, COPIES), torch.zeros(6 * COPIES, dtype=torch.int64), SIGMA)
    assert tuple(found) == NAMES
    assert found["mixture_nats"] > truth - 0.02
    whole = numpy.mean([LAWS[name][2](defense, a) for a in ACTIVATIONS], axis=0)
    mean = (GRID * whole).sum() * STEP
    variance = ((GRID - mean) ** 2 * whole).sum() * STEP
    # a Gaussian with the moments of the releases, less their exact entropy
    assert found["class_gaussian_nats"] == pytest.approx(
        math.log(2 * math.pi * math.e * variance) / 2 - entropy, abs=0.02
    )
    assert found["class_gaussian_nats"] > truth


def test_taking_noise_for_gaussian_would_have_been_no_bound():
    """What it was: the same moments, and a Gaussian's entropy in place of the noise's own."""
    for name in ("dropout", "shredder"):
        defense = made(name)
        activation, y = column(ACTIVATIONS, COPIES), torch.zeros(6 * COPIES, dtype=torch.int64)
        wrong = defenses.diagnostics.diagnose(defense.mean(activation), y, SIGMA, defense.noise_std(activation))
        assert wrong["class_gaussian_nats"] < 0.8 * exact(name, defense)[0]


def test_information_is_of_what_a_release_tells_beyond_the_class():
    """Two classes that lie apart: each is a codebook of its own, weighted by its images."""
    defense = made("none")
    near, far = (0.1, 0.25), (10.0, 10.1, 10.3)
    truth = [exact("none", defense, values)[0] for values in (near, (0.0, 0.1, 0.3))]
    activation, y = torch.cat([column(near), column(far)]), torch.tensor([0, 0, 1, 1, 1])
    torch.manual_seed(1)
    nats = [codebook(defense, activation, y, SIGMA).nats for _ in range(150)]
    assert numpy.mean(nats) == pytest.approx((2 * truth[0] + 3 * truth[1]) / 5, abs=0.02)
    more = torch.cat([column((0.0,), CODEBOOK), column(near)])
    assert codebook(defense, more, torch.zeros(len(more)), SIGMA).nats == pytest.approx(0, abs=1e-5)


def test_what_is_not_known_is_null_and_says_why():
    activation, y = torch.rand(20, 1, 1, 1), torch.arange(20) % 2
    for defense, sigma, law in (
        (made("dropout"), 0.0, "atoms"),
        (made("dither"), 0.0, "atoms"),
        (made("none"), 0.0, "gaussian"),
        (Softened(), 0.1, "unknown"),
    ):
        assert defense.law(sigma) == law
        assert information(defense, activation, y, sigma) == dict.fromkeys(NAMES)
        assert MISSING[law]
    alone = information(made("none"), activation[:2], y[:2], 0.1)
    missing = [name for name, value in alone.items() if value is None]
    assert missing == [name for name in NAMES if name.startswith(("mixture", "covariance", "codebook"))]
    assert None not in information(made("laplace"), activation, y, 0.0).values()


class Softened(Defense):
    """Has a surprise of its own, and does not say that it is exact."""

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        return 2 * super().surprise(z, activation, sigma)


class ToldGaussian(defenses.DEFENSES["dropout"]):
    """Says that what it hides is Gaussian noise."""

    def law(self, sigma: float) -> Law:
        return "gaussian"


class UntoldLaplace(Defense):
    """Adds noise of another law than its variance tells of, and says nothing."""

    def forward(self, z: Tensor) -> Tensor:
        return z + 0.2 * laplace_like(z)

    def mean(self, z: Tensor) -> Tensor:
        return z

    def noise_std(self, z: Tensor) -> float:
        return 0.2 * math.sqrt(2)


@pytest.mark.parametrize("wrong", [ToldGaussian, UntoldLaplace])
def test_the_contract_notices_a_law_that_is_not_so(wrong):
    with pytest.raises(AssertionError, match="releases are not as exact_surprise says"):
        contract.releases_by_its_law(contract.Case(wrong))


@pytest.mark.parametrize("name", ["topk", "disco", "rounding"])
def test_what_an_attacker_softens_is_exact_where_nothing_is_descended(name):
    """A choice that the activation makes alone leaves Gaussian noise about what is released."""
    torch.manual_seed(0)
    defense = defenses.make(name, **({"step": 0.25} if name == "rounding" else {}))
    defense.attach(nn.Identity(), Shapes(image=(3, 16, 16), activation=(8, 4, 4), num_classes=2))
    activation = torch.rand(4, 8, 4, 4)
    z = defense.eval()(activation) + SIGMA * torch.randn(4, 8, 4, 4)
    truth = ((z - defense(activation)).square() / (2 * SIGMA**2)).flatten(1).sum(1) + 128 * math.log(SIGMA)
    torch.testing.assert_close(defense.exact_surprise(z, activation, SIGMA), truth.detach(), rtol=1e-4, atol=1e-2)
