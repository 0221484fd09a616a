"""Attacks that search, each on a problem that can be solved without it: by brute force, by construction, by sums."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images
from attacks.diffusion import Diffusion
from attacks.dip import Dip
from attacks.fitting import unit
from attacks.gan_prior import GanPrior
from attacks.generator import Generator
from attacks.query_free import QueryFree
from attacks.rmle import Rmle
from attacks.testproblems import PATCH, LinearGaussian, NoisyChannel
from tests.codebooks import digits
from tests.known_answers import sampling_error

LEVELS = 256
"""Greys that brute force tries in each pixel."""


class Bare(NoisyChannel):
    """A client that releases the image as it is."""

    precision, num_classes = torch.float32, 1

    def __init__(self, sigma: float, image_shape: tuple[int, int, int] = (3, 16, 16)) -> None:
        self.sigma, self.spread = sigma, 0.2
        self.image_shape = self.activation_shape = image_shape
        self.defense = nn.Identity()

    def mean(self, x: Tensor) -> Tensor:
        return x

    def server(self, z: Tensor) -> Tensor:
        return z.new_zeros(len(z), 1)


# rmle: images whose neighbouring pixels differ by Laplace variables, of a single row


WIDTH, STEP, START = 12, 0.02, (0.4, 0.6)


def chains(num_images: int) -> Images:
    """Rows of ``WIDTH`` pixels that start anywhere in ``START``, their steps Laplace variables of scale ``STEP``."""
    shape = (num_images, 3, 1, WIDTH)
    steps = STEP * (torch.empty(shape).exponential_() - torch.empty(shape).exponential_())
    steps[..., 0] = START[0] + (START[1] - START[0]) * torch.rand(num_images, 3, 1)
    x = steps.cumsum(3).clamp(0, 1)
    return Images((255 * x).round().to(torch.uint8), torch.zeros(num_images).long())


def expectation(z: Tensor, sigma: float) -> Tensor:
    """The posterior mean of such rows, by sums over all ways through ``LEVELS`` greys, forwards and backwards."""
    grid = torch.linspace(0, 1, LEVELS, dtype=torch.float64)
    step = (-(grid[:, None] - grid).abs() / STEP).exp()
    seen = (-(z.double()[..., None] - grid).square() / (2 * sigma**2)).exp()
    first = seen * ((grid >= START[0]) & (grid <= START[1]))
    forwards, backwards = [first[..., 0, :]], [torch.ones_like(seen[..., 0, :])]
    for i in range(1, z.shape[-1]):
        forwards.append(_whole(forwards[-1] @ step * seen[..., i, :]))
        backwards.append(_whole((backwards[-1] * seen[..., -i, :]) @ step))
    share = torch.stack(forwards, -2) * torch.stack(backwards[::-1], -2)
    return ((share @ grid) / share.sum(-1)).float()


def _whole(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True)


def test_maximum_likelihood_as_shipped_comes_near_what_sums_over_all_rows_say_and_not_below():
    torch.manual_seed(0)
    target = Bare(sigma=0.06, image_shape=(3, 1, WIDTH))
    attack = Rmle(**Rmle.budgets["quick"])
    attack.fit(target, chains(1000), chains(32))
    x = unit(chains(100).x)
    z = target.release(x)
    own, best, raw = ((x_hat - x).square().mean(dim=(1, 2, 3)) for x_hat in (attack.reconstruct(z), _best(z), z))
    assert best.mean() < 0.5 * raw.mean()
    gain = best - own
    assert gain.mean() <= 4 * sampling_error(gain)
    assert own.mean() < 1.4 * best.mean()


def _best(z: Tensor) -> Tensor:
    return expectation(z, 0.06)


# dip: the image itself, with hardly any noise


@pytest.mark.slow
def test_a_deep_image_prior_draws_digits_that_it_is_shown():
    torch.manual_seed(0)
    target, all_ = Bare(sigma=0.02), digits()
    parts = [Images(all_.x[i : i + 8], all_.y[i : i + 8]) for i in (0, 100, 200)]
    attack = Dip(**(Dip.budgets["quick"] | {"steps": 120, "widths": (8, 8), "kernels": (3, 3)}))
    attack.fit(target, parts[0], parts[1])
    x = unit(parts[2].x)
    error = (attack.reconstruct(target.release(x)) - x).square().mean()
    assert error < 0.1 * (x - x.mean(0)).square().mean()


# query_free: a shadow that is the client


class Told(QueryFree):
    """Was told the client, and trains no shadow."""

    client: nn.Module

    def _trained(self, aux: Images) -> nn.Module:
        return self.client


class Whole(Bare):
    """An invertible client, one convolution without overlap."""

    def __init__(self, sigma: float) -> None:
        super().__init__(sigma)
        self.activation_shape, self.spread = (12, 8, 8), 0.1
        convolution = nn.Conv2d(3, 12, 2, stride=2)
        nn.init.orthogonal_(convolution.weight.data.view(12, 12))
        self.client = nn.Sequential(convolution, nn.Sigmoid()).requires_grad_(False)

    def mean(self, x: Tensor) -> Tensor:
        return self.client(x)


def test_with_the_client_for_a_shadow_a_query_free_attack_finds_the_image():
    torch.manual_seed(0)
    target, all_ = Whole(sigma=1e-3), digits()
    attack = Told(**(QueryFree.budgets["quick"] | {"steps": 150, "lam_tv": 0.01}))
    attack.client = target.client
    fit = attack.fit(target, Images(all_.x[:40], all_.y[:40]), Images(all_.x[40:48], all_.y[40:48]))
    x = unit(all_.x[100:108])
    mse = (attack.reconstruct(target.release(x)) - x).square().mean(dim=(1, 2, 3))
    assert (-10 * mse.log10()).min() > 25
    assert fit.details["trust"] > 0.99


# gan_prior: images that its generator drew


def test_images_that_the_generator_drew_are_found_again():
    torch.manual_seed(0)
    target = Whole(sigma=1e-3)
    generator = Generator(target.image_shape, 1, latent=8, width=4)
    nn.init.normal_(generator.last.weight, std=0.5)
    generator.eval().requires_grad_(False)

    def drawn(count: int) -> Images:
        x = generator(torch.randn(count, 8), torch.zeros(count).long())
        return Images((255 * x).round().to(torch.uint8), torch.zeros(count).long())

    settings = {"latent": 8, "width": 4, "restarts": 2, "search_steps": 10, "refine_steps": 40, "free_steps": 20}
    attack = GanPrior(**(GanPrior.budgets["quick"] | settings)).with_prior(generator)
    fit = attack.fit(target, drawn(64), drawn(8))
    x = unit(drawn(8).x)
    per_image = (attack.reconstruct(target.release(x)) - x).square().mean(dim=(1, 2, 3))
    assert float(per_image.mean()) < 0.02 * float((x - x.mean(0)).square().mean())
    assert fit.details["mse_within_range"] < 0.3 * float((x - x.mean(0)).square().mean())


# diffusion: a trained prior, and a client that is not linear


class Bent(LinearGaussian):
    """The same images behind a client that bends what it sees: ``tanh(BEND W (x - 1/2))``."""

    def mean(self, x: Tensor) -> Tensor:
        return torch.tanh(BEND * super().mean(x))

    def expectation(self, z: Tensor, draws: int = 4000) -> Tensor:
        """The posterior mean by importance sampling: draws of ``W x`` of a patch, weighed by how they explain z."""
        covariance = self.weight @ self.covariance @ self.weight.T
        seen = torch.linalg.cholesky(covariance) @ torch.randn(len(covariance), draws, dtype=torch.float64)
        patches = z.double().movedim(1, 3).flatten(0, 2)
        rows = []
        for part in patches.split(64):
            off = (part[:, :, None] - torch.tanh(BEND * seen)).square().sum(1) / (2 * self.sigma**2)
            rows.append((-off).softmax(1) @ seen.T)
        gain = self.covariance @ self.weight.T @ torch.linalg.inv(covariance)
        x = (torch.cat(rows) @ gain.T).unflatten(0, (len(z), *z.shape[2:])).movedim(3, 1)
        return F.pixel_shuffle(x, PATCH).float() + 0.5


BEND = 8.0


def test_the_answer_behind_a_bent_client_is_that_of_least_squares_on_what_explains_it():
    # no reconstruction beats it, and the straight rule for the same slope at the middle is worse
    torch.manual_seed(0)
    target = Bent(sigma=0.2, side=8)
    x = unit(target.sample(200).x)
    z = target.release(x)
    best = target.expectation(z)
    own = (best - x).square().mean()
    for other in (best.lerp(torch.full_like(x, 0.5), 0.1), best + 0.1 * (best - 0.5)):
        assert own < (other - x).square().mean()
    straight = LinearGaussian(sigma=0.2 / BEND, side=8)
    gain = torch.linalg.solve(
        torch.linalg.inv(straight.covariance) + straight.weight.T @ straight.weight / straight.sigma**2,
        straight.weight.T / straight.sigma**2,
    ).float()
    linear = F.pixel_shuffle(torch.einsum("ij,bjhw->bihw", gain, z / BEND), PATCH) + 0.5
    assert own < 0.9 * (linear - x).square().mean()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_trained_diffusion_prior_comes_within_15_percent_of_the_least_error_behind_a_bent_client():
    torch.manual_seed(0)
    target = Bent(sigma=0.2, side=16)
    aux = target.sample(3000)
    settings = Diffusion.budgets["standard"] | {"samples": 8, "steps": 24, "channels": 16, "prior_steps": 600}
    attack = Diffusion(**settings)
    prior = attack.make_prior(target.image_shape, 1)
    attack.train_prior(prior, aux)
    attack = attack.with_prior(prior.eval())
    attack.fit(target, aux, target.sample(32))
    x = unit(target.sample(32).x)
    z = target.release(x)
    own, best = ((x_hat - x).square().mean() for x_hat in (attack.reconstruct(z), target.expectation(z)))
    assert own < 1.15 * best
