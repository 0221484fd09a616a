"""Inversion by optimisation: the shared loop, maximum likelihood, the deep image prior, and the query-free shadow."""

import functools
import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Attack, Fit, Images
from attacks.components import Components
from attacks.dip import Dip
from attacks.inversion import Watch, constant, contrast, minimise, pulled, ranked, roughness, trust
from attacks.likelihood import gaussian_surprise
from attacks.networks import SkipNetwork
from attacks.own_noise import OwnNoise
from attacks.query_free import QueryFree, ShadowClient
from attacks.rmle import Rmle
from attacks.testproblems import PATCH, LinearGaussian, PureNoise
from tests.known_answers import errors, sampling_error

SMALL_RMLE = {
    "steps": 20, "lr": 0.3, "lam": 1.0, "components": 64, "starts": 1, "decoder_steps": 20, "images": 8,
}  # fmt: skip
SMALL_DIP = {
    "steps": 8, "lr": 0.02, "widths": (8, 8), "kernels": (3, 3), "perturbation": 0.3, "images": 8,
}  # fmt: skip
SMALL_QUERY_FREE = {
    "width": 8, "shadow_steps": 10, "batch_size": 16, "shadow_lr": 3e-3, "steps": 10, "lr": 0.1, "lam_tv": 1.0,
    "images": 8,
}  # fmt: skip
SMALL = ((Rmle, SMALL_RMLE), (Dip, SMALL_DIP), (QueryFree, SMALL_QUERY_FREE))
EVERY = pytest.mark.parametrize(("attack", "settings"), SMALL, ids=["rmle", "dip", "query_free"])
EACH = pytest.mark.parametrize("attack", dict(SMALL))
"""Of those that are fitted once for several tests."""


class Map(Rmle):
    """With the images' true covariance: in a linear Gaussian problem, the posterior mean."""

    true: LinearGaussian

    def prior_of(self, deviations: Tensor, held: Tensor) -> Components:
        values, basis = torch.linalg.eigh(self.true.covariance)
        side = self.true.image_shape[1]
        places = torch.eye(3 * side**2).view(-1, 3 * PATCH**2, side // PATCH, side // PATCH)
        images = F.pixel_shuffle(F.conv2d(places, basis.float()[:, :, None, None]), PATCH)
        return Components(images.flatten(1), values.float().repeat_interleave((side // PATCH) ** 2), torch.tensor(1.0))


class Network:
    """A client and a server of three layers, of which nothing is refused."""

    sigma, precision = 1e-3, torch.float32
    spread, extent, mirrors = 0.1, (0.0, 1.0), False
    image_shape, activation_shape, num_classes = (3, 16, 16), (12, 8, 8), 2

    def __init__(self) -> None:
        self.client = nn.Conv2d(3, 12, 2, stride=2)
        nn.init.orthogonal_(self.client.weight.data.view(12, 12))
        self._server = nn.Sequential(nn.Flatten(), nn.Linear(12 * 64, 2))
        self.defense = nn.Identity()

    def mean(self, x: Tensor) -> Tensor:
        return self.client(x).sigmoid()

    def release(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            z = self.mean(x)
            return z + self.sigma * torch.randn_like(z)

    def noise_std(self, z: Tensor) -> float:
        return 0.0

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        return gaussian_surprise(z, self.mean(x), self.sigma)

    def server(self, z: Tensor) -> Tensor:
        return self._server(z)

    def parameters(self) -> list[nn.Parameter]:
        return [*self.client.parameters(), *self._server.parameters()]


class Unmet(LinearGaussian):
    """A client that nobody may meet."""

    def mean(self, x: Tensor) -> Tensor:
        raise PermissionError("the client was asked")


def smooth(num_images: int) -> Images:
    """Smooth images, 16 by 16, of two classes: bright and dark ones."""
    y = torch.arange(num_images) % 2
    coarse = torch.rand(num_images, 3, 4, 4) * 0.5 + 0.4 * y[:, None, None, None]
    x = F.interpolate(coarse, (16, 16), mode="bilinear")
    return Images((x * 255).to(torch.uint8), y)


def posterior(sigma: float, side: int, steps: int) -> tuple[Map, LinearGaussian, Fit]:
    torch.manual_seed(0)
    target = LinearGaussian(sigma=sigma, side=side)
    attack = Map(**SMALL_RMLE | {"steps": steps, "components": 0, "starts": 0, "decoder_steps": 0})
    attack.true = target
    return attack, target, attack.fit(target, target.sample(500), target.sample(32))


class Linear(NamedTuple):
    """A fit on a linear problem."""

    attack: Attack
    target: LinearGaussian


@functools.cache
def on_a_linear_problem(attack: type[Attack]) -> Linear:
    torch.manual_seed(0)
    target, fitted = LinearGaussian(sigma=0.07, side=8), attack(**dict(SMALL)[attack])
    fitted.fit(target, target.sample(320), target.sample(32))
    return Linear(fitted, target)


class Convolved(NamedTuple):
    """A fit on a convolution, and the network's weights before it."""

    attack: Attack
    fit: Fit
    target: Network
    before: list[Tensor]


@functools.cache
def on_a_convolution(attack: type[Attack]) -> Convolved:
    torch.manual_seed(0)
    target, fitted = Network(), attack(**dict(SMALL)[attack])
    before = [parameter.detach().clone() for parameter in target.parameters()]
    return Convolved(fitted, fitted.fit(target, smooth(40), smooth(4)), target, before)


# known answers

LEVELS = pytest.mark.parametrize(
    "sigma", [pytest.param(0.02, marks=pytest.mark.slow), 0.07, pytest.param(0.25, marks=pytest.mark.slow)]
)
"""Of noise: every run of the tests takes the middle one."""


def off(attack: Rmle, target: LinearGaussian) -> float:
    """How far reconstructions are from the posterior mean: their excess error, as a share of the least."""
    z = target.release(target.sample(64).x.float() / 255)
    return float((attack.reconstruct(z) - target.posterior_mean(z)).square().mean()) / target.least_error()


@LEVELS
def test_with_the_true_prior_the_most_plausible_image_is_the_posterior_mean(sigma):
    attack, target, fit = posterior(sigma, side=4, steps=120)
    assert off(attack, target) <= 0.02
    assert fit.details["trust"] > 0.85


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sigma", [0.02, 0.07, 0.25])
def test_with_the_true_prior_and_many_steps_it_is_the_posterior_mean(sigma):
    attack, target, fit = posterior(sigma, side=16, steps=600)
    per_image = errors(attack, target, 200)
    assert per_image.mean() <= 1.02 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.details["trust"] > 0.95


@LEVELS
def test_with_the_prior_that_it_measures_and_a_decoders_start_it_counts_a_release_once(sigma):
    torch.manual_seed(0)
    target = LinearGaussian(sigma=sigma, side=4)
    attack = Rmle(**SMALL_RMLE | {"steps": 80, "components": 48, "starts": 0})
    fit = attack.fit(target, target.sample(500), target.sample(50))
    assert off(attack, target) <= 0.03
    # whoever counted it twice would have to be pulled back to what it started from
    assert fit.details["trust"] > 0.85


@EACH
def test_no_attack_is_below_the_least_error(attack):
    fitted, target = on_a_linear_problem(attack)
    torch.manual_seed(1)
    per_image = errors(fitted, target, 64)
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    # of the others, one draws smooth images and one never met the client: no better than the mean image here
    assert attack is not Rmle or per_image.mean() <= 1.2 * target.least_error()


@EVERY
def test_pure_noise_is_not_beaten_and_costs_little(attack, settings):
    torch.manual_seed(0)
    target = PureNoise(sigma=0.07, side=8)
    fitted = attack(**settings | {"starts": 0} if attack is Rmle else settings)
    fit = fitted.fit(target, target.sample(320), target.sample(32))
    per_image = errors(fitted, target, 64)
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert per_image.mean() <= 1.1 * target.least_error() + 4 * sampling_error(per_image)
    assert fit.verdict == "floor"


@pytest.mark.parametrize("starts", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_an_undefended_convolution_is_inverted_beyond_30_decibels(starts):
    torch.manual_seed(0)
    target, val = Network(), smooth(4)
    attack = Rmle(**SMALL_RMLE | {"steps": 60, "starts": starts, "decoder_steps": 0})
    fit = attack.fit(target, smooth(40), val)
    x = smooth(4).x.float() / 255
    mse = (attack.reconstruct(target.release(x)) - x).square().mean(dim=(1, 2, 3))
    assert (-10 * mse.log10()).min() > 30
    assert fit.details["restarts_disagree"] < 0.01
    assert fit.details["end_mse"] <= fit.details["mse_of_half"]


def test_maximum_likelihood_improves_on_the_decoder_that_it_starts_from():
    torch.manual_seed(0)
    target = Network()
    fit = Rmle(**SMALL_RMLE).fit(target, smooth(100), smooth(8))
    assert fit.details["end_mse"] < 0.5 * fit.details["start_mse"]
    assert fit.details["end_surprise"] < fit.details["start_surprise"]


@pytest.mark.slow
def test_a_deep_image_prior_finds_smooth_images():
    torch.manual_seed(0)
    target, aux = Network(), smooth(40)
    fit = Dip(**SMALL_DIP | {"steps": 60, "lr": 0.05}).fit(target, aux, smooth(8))
    assert fit.curve[-1].validation < 0.3 * float((aux.x / 255).var(0).mean())
    assert fit.details["end_surprise"] < fit.details["start_surprise"]


def test_a_query_free_attacker_never_meets_the_client():
    torch.manual_seed(0)
    target = Unmet(sigma=0.07, side=8)
    attack = QueryFree(**SMALL_QUERY_FREE)
    aux = target.sample(32)
    fit = attack.fit(target, aux, target.sample(8))
    z = torch.randn(2, *target.activation_shape)
    assert attack.reconstruct(z).shape == (2, 3, 8, 8)
    assert fit.details["trust"] == attack.trust
    # it is what is left of the deviations from the mean image
    mean = aux.x.float().mean(0, keepdim=True) / 255
    attack.trust = 1.0
    whole = attack.reconstruct(z) - mean
    attack.trust = 0.25
    torch.testing.assert_close(attack.reconstruct(z), mean + whole / 4, atol=1e-5, rtol=0)


def test_a_query_free_attacker_whose_shadow_is_the_client_finds_the_image():
    torch.manual_seed(0)
    target = Network()
    attack = QueryFree(**SMALL_QUERY_FREE | {"lam_tv": 0.1})
    attack.fit(target, smooth(40), smooth(8))
    attack.shadow, attack.trust, attack.steps = nn.Sequential(target.client, nn.Sigmoid()), 1.0, 150
    x = smooth(8).x.float() / 255
    error = (attack.reconstruct(target.release(x)) - x).square().mean()
    assert error < 0.1 * x.var(0).mean()


def test_a_shadow_is_trained_until_the_server_knows_its_images():
    torch.manual_seed(0)
    target = Network()
    settings = SMALL_QUERY_FREE | {"shadow_steps": 25, "shadow_lr": 3e-2, "steps": 2}
    fit = QueryFree(**settings).fit(target, smooth(200), smooth(32))
    assert fit.details["shadow_accuracy"] > 0.9


# laws of the loop


def quadratic(start: Tensor, goal: Tensor, steps: int = 200):
    loss = lambda x, leaves: (x - goal).square().flatten(1).sum(1)  # noqa: E731
    return minimise([start], lambda leaves: leaves[0], loss, steps, lr=0.1)


def test_the_loop_finds_each_images_own_minimum():
    torch.manual_seed(0)
    start, goal = torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2)
    found = quadratic(start, goal)
    torch.testing.assert_close(found.x, goal, atol=1e-3, rtol=0)
    assert found.objective.max() < 1e-5


def test_the_loop_minimises_an_image_as_if_it_were_alone():
    torch.manual_seed(0)
    start, goal = torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2)
    together, alone = quadratic(start, goal, 20), quadratic(start[2:3], goal[2:3], 20)
    torch.testing.assert_close(together.x[2:3], alone.x)


def test_an_image_whose_loss_is_not_finite_spoils_no_other():
    start, goal = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    goal[0] = math.nan
    found = quadratic(start, goal)
    assert found.objective[0] == math.inf
    assert found.x[0].equal(start[0])
    torch.testing.assert_close(found.x[1], goal[1], atol=1e-3, rtol=0)


def test_the_loop_returns_the_least_that_it_met():
    # steps far too long to quiet
    losses = []
    found = minimise(
        [torch.full((4, 3, 1, 1), 0.3)],
        lambda leaves: leaves[0],
        lambda x, leaves: losses.append(x.square().flatten(1).sum(1)) or losses[-1],
        steps=30,
        lr=0.5,
        schedule=constant,
    )
    torch.testing.assert_close(found.objective, torch.stack(losses).detach().amin(0))
    torch.testing.assert_close(found.x.square().flatten(1).sum(1), found.objective)


def test_the_start_is_left_as_it_is_and_nought_steps_return_it():
    start, goal = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    assert quadratic(start, goal, steps=0).x.equal(start)
    quadratic(start, goal, steps=5)
    assert not start.any()


def test_starts_are_ranked_image_by_image():
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 2, 2)
    objective = torch.tensor([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    assert ranked(x, objective)[:, :, 0, 0, 0].tolist() == [[4, 1], [2, 3], [0, 5]]


def test_a_curve_follows_the_start_with_the_least_objective():
    watch = Watch(torch.ones(1, 3, 2, 2), 20, base=torch.zeros(1, 3, 2, 2))
    watch(20, torch.stack([torch.full((3, 2, 2), 0.1), torch.full((3, 2, 2), 0.5)]), torch.tensor([2.0, 1.0]))
    assert watch.points[-1].validation == pytest.approx(0.25)
    assert watch.points[-1].train == pytest.approx(1.0)


def test_a_curve_tells_the_error_of_what_is_returned_pulled_towards_the_base():
    watch = Watch(torch.full((1, 3, 2, 2), 0.4), 20, base=torch.full((1, 3, 2, 2), 0.2))
    watch(20, torch.full((1, 3, 2, 2), 0.7), torch.tensor([1.0]))
    assert watch.factors == [pytest.approx(0.4)]
    assert watch.points[-1].validation == pytest.approx(0, abs=1e-12)


def test_trust_is_the_factor_of_least_error_and_never_leaves_its_range():
    base, x = torch.zeros(2, 3, 2, 2), torch.rand(2, 3, 2, 2)
    noisy = x + 0.3 * torch.randn(x.shape)
    errors = {factor / 100: float((factor / 100 * noisy - x).square().mean()) for factor in range(101)}
    assert trust(noisy, base, x) == pytest.approx(min(errors, key=errors.get), abs=0.006)
    assert float(pulled(noisy, base, x).mean()) <= min(errors.values()) + 1e-9
    assert trust(0.5 * x, base, x) == 1.0
    assert trust(-x, base, x) == 0.0
    assert trust(torch.full_like(x, math.nan), base, x) == 0.0


def test_roughness_sums_the_differences_of_neighbours():
    x = torch.zeros(1, 3, 2, 2)
    x[0, 0, 0, 0] = 0.5
    assert float(roughness(x)) == pytest.approx(1.0)
    assert contrast(x) == pytest.approx(1.0 / 12)
    assert contrast(torch.ones(2, 3, 4, 4)) > 0


class Halving(nn.Module):
    """Hides the first half of the channels, and knows that it does."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z[:, :6] * 0, z[:, 6:]], dim=1)

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        return gaussian_surprise(z, self(activation), sigma)


class Behind(Network):
    """A network behind a defense, whose server remembers the most that it saw of hidden channels."""

    most_hidden = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.defense = Halving()

    def server(self, z: Tensor) -> Tensor:
        self.most_hidden = max(self.most_hidden, float(z[:, :6].detach().abs().max()))
        return super().server(z)


def test_the_query_free_shadow_stands_behind_the_defense():
    torch.manual_seed(0)
    target = Behind()
    attack = QueryFree(**SMALL_QUERY_FREE)
    attack.fit(target, smooth(40), smooth(8))
    # in training no more than noise reaches the server there, and what stands there says nothing of the image
    assert target.most_hidden < 8 * target.sigma
    z = torch.rand(3, 12, 8, 8)
    other = torch.cat([z[:, :6] + 0.5, z[:, 6:]], dim=1)
    assert torch.allclose(attack.reconstruct(z), attack.reconstruct(other), atol=1e-3)
    assert not torch.allclose(attack.reconstruct(z), attack.reconstruct(z.flip(1)), atol=1e-3)


# laws of the attacks


@EACH
def test_a_result_does_not_depend_on_the_images_beside_it(attack):
    fitted, target = on_a_linear_problem(attack)
    torch.manual_seed(1)
    z = target.release(target.sample(6).x.float() / 255)
    other = torch.cat([z[:2], torch.randn_like(z[2:])])
    torch.testing.assert_close(fitted.reconstruct(z)[:2], fitted.reconstruct(other)[:2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("attack", [Rmle, QueryFree])
def test_a_result_is_the_same_alone(attack):
    fitted, target = on_a_linear_problem(attack)
    torch.manual_seed(1)
    z = target.release(target.sample(6).x.float() / 255)
    torch.testing.assert_close(fitted.reconstruct(z)[3:4], fitted.reconstruct(z[3:4]), atol=2e-3, rtol=0)


@EACH
def test_the_network_under_attack_is_left_as_it_is(attack):
    fitted, _, target, before = on_a_convolution(attack)
    fitted.reconstruct(target.release(smooth(2).x.float() / 255))
    assert all(parameter.grad is None for parameter in target.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, target.parameters(), strict=True))


@EACH
def test_details_are_finite_and_reconstructions_are_images(attack):
    fitted, fit, target, _ = on_a_convolution(attack)
    torch.manual_seed(1)
    x_hat = fitted.reconstruct(100 * torch.randn(3, *target.activation_shape))
    assert all(math.isfinite(value) for value in fit.details.values())
    assert len(fit.curve) <= 20
    assert x_hat.shape == (3, 3, 16, 16)
    assert 0 <= x_hat.min() <= x_hat.max() <= 1


@EVERY
def test_it_must_be_fitted_first(attack, settings):
    with pytest.raises(RuntimeError, match="fit it before it reconstructs"):
        attack(**settings).reconstruct(torch.zeros(1, 8, 2, 2))


@EVERY
@pytest.mark.parametrize("budget", ["quick", "standard", "strong"])
def test_a_budget_names_every_setting(attack, settings, budget):
    assert set(attack.budgets[budget]) == set(settings)
    assert attack(**attack.budgets[budget]).images == attack.budgets[budget]["images"]


@pytest.mark.parametrize(
    ("attack", "change", "message"),
    [
        (Rmle, {"steps": 0}, "rmle: steps must be >= 1, not 0"),
        (Rmle, {"lr": 0}, "rmle: lr must be > 0, not 0"),
        (Rmle, {"starts": -1}, "rmle: starts must be >= 0, not -1"),
        (Rmle, {"lam": -1}, "rmle: lam must be >= 0, not -1"),
        (Rmle, {"components": -1}, "rmle: components must be >= 0, not -1"),
        (Rmle, {"lam": math.nan}, "rmle: lam must be >= 0, not nan"),
        (Dip, {"steps": 0}, "dip: steps must be >= 1, not 0"),
        (Dip, {"lr": -1}, "dip: lr must be > 0, not -1"),
        (Dip, {"widths": ()}, "dip: widths must be one or more numbers >= 1"),
        (Dip, {"kernels": (3, 4)}, "dip: kernels must be 2 odd numbers"),
        (Dip, {"kernels": (3,)}, "dip: kernels must be 2 odd numbers"),
        (QueryFree, {"width": 0}, "query_free: width must be >= 1, not 0"),
        (QueryFree, {"shadow_lr": 0}, "query_free: shadow_lr must be > 0, not 0"),
        (QueryFree, {"images": 0}, "query_free: images must be >= 1, not 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(attack, change, message):
    with pytest.raises(ValueError, match=message):
        attack(**dict(SMALL)[attack] | change)


# networks


@pytest.mark.parametrize("size", [(32, 32), (16, 16), (8, 8), (48, 64), (11, 13)])
def test_the_skip_network_draws_images_of_any_size_and_begins_with_the_mean(size):
    torch.manual_seed(0)
    mean = torch.rand(1, 3, *size) * 0.9 + 0.05
    network = SkipNetwork(mean, widths=(4, 8, 8, 8, 8), kernels=(7, 5, 5, 3, 3), skip=2, inputs=4)
    x = network.draw(network.initial(OwnNoise(torch.rand(1, 8, 2, 2), 0)), torch.randn(1, 4, *size))
    torch.testing.assert_close(x, mean)


def test_each_copy_of_the_skip_network_draws_by_its_own_weights():
    torch.manual_seed(0)
    network = SkipNetwork(torch.full((1, 3, 16, 16), 0.5), widths=(4, 8), kernels=(3, 3), skip=2, inputs=4)
    u = torch.randn(1, 4, 16, 16)
    together = [torch.randn_like(weight) for weight in network.initial(OwnNoise(torch.rand(3, 8, 2, 2), 0))]
    copies = list(zip(*(weight.split(1) for weight in together), strict=True))
    torch.testing.assert_close(network.draw(together, u), torch.cat([network.draw(weights, u) for weights in copies]))
    inputs = torch.randn(3, 4, 16, 16)
    alone = torch.cat([network.draw(weights, own[None]) for weights, own in zip(copies, inputs, strict=True)])
    torch.testing.assert_close(network.draw(together, inputs.flatten(0, 1)[None]), alone)


@pytest.mark.parametrize(
    ("activation", "image"), [((8, 8, 8), (3, 32, 32)), ((16, 32, 32), (3, 32, 32)), ((8, 7, 7), (3, 32, 50))]
)
def test_a_shadow_has_the_clients_shapes(activation, image):
    z = ShadowClient(image, activation, width=4, extent=(-3.0, 5.0))(torch.rand(2, *image))
    assert z.shape == (2, *activation)
    assert -3 < z.min() < 1 < z.max() < 5
    assert abs(float(z.detach().mean()) - 1) < 0.5
