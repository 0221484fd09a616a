"""What an adaptive attacker knows of each defense: likelihoods of releases, and where their gradients lead."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from attacks import likelihood
from attacks.likelihood import LEAST_SHARE
from defenses import DEFENSES
from defenses.base import Defense, Shapes
from defenses.contract import Bench, Case

EXACT: dict[str, tuple[type[Defense], dict[str, Any]]] = {
    "none": (DEFENSES["none"], {}),
    "laplace": (DEFENSES["laplace"], {"scale": 0.1}),
    "local_dp-gaussian": (DEFENSES["local_dp"], {"epsilon": 20.0}),
    "local_dp-laplace": (DEFENSES["local_dp"], {"epsilon": 10.0, "mechanism": "laplace"}),
    "dropout": (DEFENSES["dropout"], {"rate": 0.4}),
    "shredder": (DEFENSES["shredder"], {"scale": 0.1}),
    "learned_noise": (DEFENSES["learned_noise"], {}),
    "vib": (DEFENSES["vib"], {}),
}
"""Defenses whose likelihood is that of what they do."""

SOFTENED: dict[str, tuple[type[Defense], dict[str, Any]]] = {
    "topk": (DEFENSES["topk"], {"ratio": 0.5}),
    "disco": (DEFENSES["disco"], {"ratio": 0.5, "channels": 4, "blocks": 0}),
    "rounding": (DEFENSES["rounding"], {"step": 0.25}),
    "rounding-dither": (DEFENSES["rounding"], {"step": 0.25, "dither": True}),
}
"""Defenses whose hard choices the likelihood takes as soft."""

ALL = EXACT | SOFTENED
NAMES = list(ALL)


def attached(name: str, **changed: Any) -> tuple[Defense, Tensor]:
    """A defense behind a small client, its random state drawn so that it says something, and 160 activations."""
    create, settings = ALL[name]
    bench = Bench(Case(create, settings), changed=changed)
    _stir(bench.defense)
    return bench.defense.requires_grad_(False), bench.features()


def released(defense: Defense, activation: Tensor, sigma: float) -> Tensor:
    with torch.no_grad():
        return defense(activation) + sigma * torch.randn_like(activation)


def slope(defense: Defense, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
    """The gradient of each release's surprise in its activation, of the activation's shape."""
    activation = activation.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(defense.surprise(z, activation, sigma).sum(), activation)
    return gradient


# laws


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("name", NAMES)
def test_the_true_image_surprises_less_than_another_one(name, sigma):
    defense, activation = attached(name)
    z = released(defense, activation, sigma)
    true, other = (defense.surprise(z, a, sigma) for a in (activation, activation.roll(1, 0)))
    assert true.mean() < other.mean()
    assert (true < other).float().mean() > 0.8


@pytest.mark.parametrize("name", EXACT)
def test_the_score_of_the_true_image_is_zero_on_average(name):
    defense, activations = attached(name)
    activation = activations[:1].expand(2000, -1, -1, -1)
    slopes = slope(defense, released(defense, activation, 0.1), activation, 0.1)
    mean, error = slopes.mean(0), slopes.std(0) / math.sqrt(len(slopes))
    assert (mean.abs() <= 5 * error + 1e-4).all()
    # the same at an activation that is off by a tenth: a test that could not fail would prove nothing
    off = slope(defense, released(defense, activation, 0.1), activation + 0.1, 0.1)
    assert (off.mean(0).abs() > 5 * off.std(0) / math.sqrt(len(off))).float().mean() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_densities_of_all_activations_integrate_to_the_same(name):
    # two channels of one pixel, so that what is pruned can be one of them
    torch.manual_seed(0)
    create, settings = ALL[name]
    defense = create(**settings)
    defense.attach(torch.nn.Identity(), Shapes(image=(3, 16, 16), activation=(2, 1, 1), num_classes=4))
    _stir(defense)
    line = torch.linspace(-2, 3, 251)
    z = torch.cartesian_prod(line, line)[:, :, None, None]
    places = [(0.1, 0.8), (0.37, 0.3), (0.5, 0.5)]
    with torch.no_grad():
        surprises = [defense.surprise(z, torch.tensor(a).view(1, 2, 1, 1).expand_as(z), 0.1) for a in places]
    masses = [float((-each.double()).exp().sum()) for each in surprises]
    assert masses == pytest.approx([masses[0]] * 3, rel=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.1, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_surprise_is_one_finite_number_an_image_with_a_finite_gradient(name, sigma):
    defense, activation = attached(name)
    z = released(defense, activation, sigma)[:6]
    for guess in (activation[:6], activation[6:12], torch.full_like(z, 0.5), torch.zeros_like(z), 20 * z - 10):
        surprise = defense.surprise(z, guess, sigma)
        assert surprise.shape == (6,)
        assert surprise.isfinite().all()
        gradient = slope(defense, z, guess, sigma)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_surprise_of_an_image_does_not_depend_on_those_beside_it(name):
    defense, activation = attached(name)
    z = released(defense, activation, 0.1)
    together = defense.surprise(z[:8], activation[8:16], 0.1)
    alone = torch.cat([defense.surprise(z[i : i + 1], activation[8 + i : 9 + i], 0.1) for i in range(8)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize("name", [name for name in NAMES if ALL[name][0].strength])
def test_at_strength_zero_surprise_is_that_of_no_defense(name, sigma):
    defense, activation = attached(name, **{ALL[name][0].strength: 0})
    z = released(defense, activation, sigma)
    expected = Defense().surprise(z, activation.roll(1, 0), sigma)
    torch.testing.assert_close(defense.surprise(z, activation.roll(1, 0), sigma), expected)
    assert slope(defense, z, activation.roll(1, 0), sigma).isfinite().all()


@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize(("name", "share"), [("dropout", "rate"), ("topk", "ratio")])
def test_where_everything_is_set_to_0_all_images_surprise_alike(name, share, sigma):
    defense, activation = attached(name, **{share: 1.0})
    z = released(defense, activation, sigma)
    own, other = (defense.surprise(z, a, sigma) for a in (activation, activation.roll(1, 0)))
    assert own.isfinite().all()
    assert torch.equal(own, other)
    assert torch.equal(slope(defense, z, activation, sigma), torch.zeros_like(z))


# what it is good for


@pytest.mark.parametrize(("name", "sigma"), [("dropout", 0.05), ("disco", 0.05), ("topk", 0.0), ("rounding", 0.05)])
def test_descent_from_grey_comes_nearer_to_the_image_than_on_a_gaussian(name, sigma):
    create, settings = ALL[name]
    bench = Bench(Case(create, settings))
    defense, client, x = bench.defense.requires_grad_(False), bench.client.requires_grad_(False), bench.x[:8]
    _stir(defense)
    z = released(defense, bench.features()[:8], sigma)

    def error(surprise: Any) -> float:
        logits = torch.zeros_like(x).requires_grad_()
        optimiser = torch.optim.Adam([logits])
        for step in range(80):
            optimiser.param_groups[0]["lr"] = 0.2 * (1 - step / 80)
            loss = surprise(z, client(logits.sigmoid()), max(sigma, LEAST_SHARE)).sum()
            (logits.grad,) = torch.autograd.grad(loss, logits)
            optimiser.step()
        return float((logits.detach().sigmoid() - x).square().mean())

    assert error(defense.surprise) < 0.9 * error(lambda *arguments: Defense.surprise(defense, *arguments))


@pytest.mark.parametrize("name", ["laplace", "dropout", "shredder"])
def test_the_likelihood_of_what_is_done_identifies_more_images_than_a_gaussian_of_its_deviation(name):
    strong = {"laplace": {"scale": 0.5}, "dropout": {"rate": 0.9}, "shredder": {"scale": 0.5}}[name]
    defense, activation = attached(name, **strong)
    activation = activation[:80]
    z = released(defense, activation, 0.05)

    def identified(surprise: Any) -> float:
        columns = [surprise(z, activation[i : i + 1].expand_as(z), 0.05) for i in range(len(z))]
        return float((torch.stack(columns).argmin(0) == torch.arange(len(z))).float().mean())

    exact = identified(defense.surprise)
    gaussian = identified(lambda *arguments: Defense.surprise(defense, *arguments))
    assert exact > gaussian
    assert exact > 0.2


# examples


@pytest.mark.parametrize(("scale", "sigma"), [(0.1, 0.1), (0.3, 0.05), (0.02, 0.3)])
def test_laplace_and_gaussian_noise_together_have_the_density_of_their_convolution(scale, sigma):
    line = torch.linspace(-4, 4, 80001, dtype=torch.float64)
    laplace = torch.exp(-line.abs() / scale) / (2 * scale)
    for z in (-1.0, -0.05, 0.0, 0.2, 0.7):
        gaussian = torch.exp(-((z - line) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        expected = math.log(float(torch.trapezoid(laplace * gaussian, line)))
        found = likelihood.log_laplace(torch.tensor([z]), torch.zeros(1), scale, sigma)
        assert float(found) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("scale", "sigma"), [(0.1, 0.1), (0.1, 1e-3), (1e-3, 1.0), (1.0, 1e-6)])
def test_laplace_with_noise_is_as_exact_in_float32_as_in_float64(scale, sigma):
    found = []
    for kind in (torch.float32, torch.float64):
        z = torch.tensor([0.0, 0.01, 0.1, 0.5, 3.0, 10.0], dtype=kind, requires_grad=True)
        density = likelihood.log_laplace(z, torch.zeros((), dtype=kind), scale, sigma)
        found.append((density.detach(), torch.autograd.grad(density.sum(), z)[0]))
    for single, double in zip(*found, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


def test_without_noise_a_released_zero_is_hidden_and_anything_else_is_not():
    defense, _ = attached("dropout")
    z = torch.tensor([0.0, 0.3]).view(1, 2, 1, 1)
    gradient = slope(defense, z, torch.tensor([0.9, 0.9]).view(1, 2, 1, 1), 0.0)
    assert gradient[0, 0] == 0
    assert gradient[0, 1] > 0


def test_rounding_pulls_an_activation_into_the_cell_of_its_release_and_no_further():
    defense, _ = attached("rounding")
    activation = torch.tensor([0.1, 0.4, 0.5, 0.6, 0.9]).view(1, 5, 1, 1)
    gradient = slope(defense, torch.full_like(activation, 0.5), activation, 0.0).flatten()
    assert gradient[0] < gradient[1] < 0 == gradient[2] < gradient[3] < gradient[4]
    assert gradient[0] == pytest.approx(-(0.375 - 0.1) / (0.25 / 8) ** 2, rel=0.2)
    assert gradient[1].abs() < abs(gradient[0]) / 10


def test_the_defenses_that_set_features_to_0_say_so():
    assert {name for name, defense in DEFENSES.items() if defense.masks} == {"dropout", "topk", "disco"}


def _stir(defense: Defense) -> None:
    """Move learned state off its start, where some of it does not depend on the activation."""
    torch.manual_seed(1)
    for parameter in defense.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
