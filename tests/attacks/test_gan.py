"""The two attacks with a GAN: an inverse network with a critic, and inversion within and near a generator's range."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from attacks.base import Images
from attacks.fitting import guess_error, unit
from attacks.gan_decoder import GanDecoder
from attacks.gan_prior import GanPrior
from attacks.generator import Generator, Training, train
from attacks.latent_inversion import LatentInversion, spread
from attacks.networks import Critic, gradient_penalty
from attacks.testproblems import LinearGaussian, PureNoise
from defenses.base import Defense
from harness.models import LiveTarget, SplitModel
from tests.known_answers import errors, sampling_error

DECODER = GanDecoder.budgets["quick"] | {
    "channels": 32, "critic_channels": 4, "epochs": 100, "steps": 380, "batch_size": 128, "warm": 0.8,
}  # fmt: skip
TINY_DECODER = DECODER | {"blocks": 0, "channels": 4, "steps": 12, "batch_size": 8, "warm": 0.5}
PRIOR = GanPrior.budgets["quick"] | {
    "latent": 8, "width": 4, "critic_width": 4, "prior_steps": 10, "batch_size": 8, "restarts": 2, "search_steps": 2,
    "refine_steps": 3,
}  # fmt: skip
SHORT = PRIOR | {"free_steps": 3}


def fitted(attack, target: LinearGaussian, num_aux: int, num_val: int = 32):
    torch.manual_seed(0)
    return attack, attack.fit(target, target.sample(num_aux), target.sample(num_val))


class Convolutions(nn.Module):
    """A client of two convolutions: 3x16x16 images to 8x8x8 releases."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.LeakyReLU(), nn.Conv2d(16, 8, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x - 0.5)


def small_network(sigma: float) -> LiveTarget:
    """A network of four classes that never trained."""
    server = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 8, 4))
    return LiveTarget(SplitModel(Convolutions(), server, Defense(), sigma), (3, 16, 16), 4, torch.float32)


def lively(image_shape: tuple[int, int, int], num_classes: int) -> Generator:
    """A generator whose images differ widely, though it never trained."""
    generator = Generator(image_shape, num_classes, latent=8, width=4)
    nn.init.normal_(generator.last.weight, std=0.5)
    return generator.eval().requires_grad_(False)


def stripes(num_images: int, side: int = 16) -> Images:
    """Images of two classes, each half black, half white: the upper or the left half, or the other one."""
    y = torch.arange(num_images) % 2
    half = (torch.arange(side) < side // 2).float()
    kinds = torch.stack([half[:, None].expand(side, side), half[None].expand(side, side)])
    x = (kinds[y] - (torch.rand(num_images, 1, 1) < 0.5).float()).abs()
    return Images((255 * x[:, None].expand(-1, 3, -1, -1)).to(torch.uint8).contiguous(), y)


# the decoder: known answers


@pytest.mark.slow
def test_the_decoder_comes_near_the_least_error_and_not_below_it():
    target = LinearGaussian(sigma=0.07, side=8)
    decoder, fit = fitted(GanDecoder(**DECODER), target, 6400, 500)
    per_image = errors(decoder, target, 4000)
    assert per_image.mean() <= 1.08 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.verdict == "open"


@pytest.mark.slow
def test_the_decoder_reads_nothing_from_pure_noise():
    target = PureNoise(sigma=0.07, side=8)
    decoder, fit = fitted(GanDecoder(**(DECODER | {"steps": 160})), target, 6400, 500)
    per_image = errors(decoder, target, 4000)
    assert per_image.mean() <= 1.03 * target.least_error() + 4 * sampling_error(per_image)
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.verdict == "floor"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("sigma", "most"), [(0.02, 1.08), (0.07, 1.05), (0.25, 1.05)])
def test_the_decoder_comes_near_the_least_error_at_every_noise_level(sigma, most):
    target = LinearGaussian(sigma=sigma)
    settings = DECODER | {"channels": 32, "critic_channels": 8, "steps": 900, "batch_size": 64}
    decoder, _ = fitted(GanDecoder(**settings), target, 12800, 500)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= most * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pure_noise_leaves_the_decoder_within_2_percent_of_the_best_guess():
    target = PureNoise(sigma=0.07)
    settings = DECODER | {"channels": 32, "critic_channels": 8, "steps": 600, "batch_size": 64}
    decoder, fit = fitted(GanDecoder(**settings), target, 12800, 500)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= 1.02 * target.least_error()
    assert fit.verdict == "floor"


# the decoder: its critic, its steps


def test_the_gradient_penalty_of_a_linear_critic_is_the_squared_distance_of_its_slope_from_1():
    slope = torch.randn(3, 4, 4)

    def critic(x: Tensor, z: Tensor) -> Tensor:
        return (x * slope).sum(dim=(1, 2, 3)) + z.sum(dim=(1, 2, 3))

    x, x_hat, z = torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4), torch.randn(5, 2, 2, 2)
    expected = (float(slope.norm()) - 1) ** 2
    assert float(gradient_penalty(critic, x, x_hat, z)) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_penalty_teaches_a_critic_its_slope():
    torch.manual_seed(0)
    critic = Critic((2, 4, 4), (3, 16, 16), channels=4)
    x, x_hat, z = torch.rand(16, 3, 16, 16), torch.rand(16, 3, 16, 16), torch.randn(16, 2, 4, 4)
    optimiser = torch.optim.Adam(critic.parameters(), lr=5e-3)
    found = []
    for _ in range(40):
        loss = gradient_penalty(critic, x, x_hat, z)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    assert found[-1] < 0.1 * found[0]


@pytest.mark.parametrize("image", [(3, 32, 32), (3, 28, 28), (3, 11, 16), (3, 64, 64)])
def test_a_critic_scores_images_of_any_size_beside_their_releases(image):
    critic = Critic((5, 4, 4), image, channels=2)
    x, z = torch.rand(2, *image), torch.randn(2, 5, 4, 4)
    assert critic(x, z).shape == (2,)
    assert not torch.equal(critic(x, z), critic(x, z.flip(0)))


def test_a_decoder_of_regression_alone_is_left_as_it_was_by_the_critic():
    target = LinearGaussian(sigma=0.1, side=8)
    # the critic takes all further batches: the network has no step of its own
    attack, fit = fitted(GanDecoder(**(TINY_DECODER | {"critic_steps": 100})), target, 100)
    later = [point.validation for point in fit.curve if point.step >= 6]
    assert max(abs(a - b) for a, b in pairwise(later)) < 0.05 * later[0]
    assert attack.network is not None


def test_a_decoder_validates_by_the_mean_squared_error_of_what_reconstructs():
    torch.manual_seed(0)
    target = PureNoise(sigma=0.0, side=8)
    decoder, aux, val = GanDecoder(**TINY_DECODER), target.sample(100), target.sample(60)
    fit = decoder.fit(target, aux, val)
    x = unit(val.x)
    error = float((decoder.reconstruct(target.mean(x)) - x).square().mean())
    assert error == pytest.approx(fit.curve[-1].validation)
    assert fit.curve[-1].step == 12
    assert len(fit.curve) <= 20


def test_a_decoder_that_blows_up_is_called_diverged():
    _, fit = fitted(GanDecoder(**(TINY_DECODER | {"lr": 1e6})), LinearGaussian(sigma=0.1, side=8), 100)
    assert fit.verdict == "diverged"


def test_a_seed_gives_the_same_decoder_twice():
    target = LinearGaussian(sigma=0.1, side=8)
    first, second = (fitted(GanDecoder(**TINY_DECODER), target, 100)[1] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"critic_steps": 0}, "gan_decoder: critic_steps must be >= 1, not 0"),
        ({"steps": 1}, "gan_decoder: steps must be >= 2, not 1"),
        ({"weight": -1.0}, "gan_decoder: weight must be > 0, not -1.0"),
        ({"critic_lr": 0.0}, "gan_decoder: critic_lr must be > 0, not 0.0"),
        ({"lr": math.nan}, "gan_decoder: lr must be > 0, not nan"),
        ({"warm": 1.0}, r"gan_decoder: warm must be in \[0, 1\), not 1.0"),
    ],
)
def test_a_decoders_setting_out_of_its_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        GanDecoder(**(DECODER | setting))


# the generator


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 28, 28), (3, 11, 16), (3, 64, 64)])
def test_a_generator_draws_images_of_any_size(shape):
    x = lively(shape, 5)(torch.randn(3, 8), torch.tensor([0, 4, 2]))
    assert x.shape == (3, *shape)
    assert 0 <= x.min() < x.max() <= 1


def test_an_image_does_not_depend_on_those_drawn_beside_it():
    generator, u, y = lively((3, 16, 16), 2), torch.randn(4, 8), torch.tensor([0, 1, 0, 1])
    torch.testing.assert_close(generator(u, y)[2:3], generator(u[2:3], y[2:3]))


def test_a_generator_that_never_saw_a_critic_draws_class_means():
    images = stripes(40)
    generator = Generator((3, 16, 16), 2, latent=8, width=4)
    generator.centre(unit(images.x), images.y)
    x = generator(torch.randn(2, 8), torch.tensor([0, 1]))
    for label in (0, 1):
        mean = unit(images.x[images.y == label]).mean(0).clamp(0.01, 0.99)
        torch.testing.assert_close(x[label], mean, atol=1e-3, rtol=0)


@pytest.mark.slow
def test_training_moves_what_is_drawn_towards_the_data():
    """In the best of three trainings: two networks that play against each other magnify differences of rounding."""
    torch.manual_seed(0)
    images = stripes(64)
    validation, deviation = min(_trained_to_draw(images, seed) for seed in range(3))
    # an untrained one draws grey images, of deviation 0; the data's is a half
    assert deviation > 0.15
    assert validation < 0.7 * 0.25


def _trained_to_draw(images: Images, seed: int) -> tuple[float, float]:
    """Return the least validation error of a generator's training, and the deviation of what it draws in the end."""
    torch.manual_seed(seed)
    generator = Generator((3, 16, 16), 2, latent=8, width=8)
    curve = train(generator, 16, images, Training(steps=160, batch_size=16, lr=4e-3, ema=0.9))
    assert all(math.isfinite(value) for point in curve for value in point)
    with torch.no_grad():
        drawn = generator(torch.randn(200, 8), torch.arange(200) % 2)
    return min(point.validation for point in curve), float(drawn.std(0).mean())


# the inversion


def test_an_image_in_the_generators_range_is_found():
    torch.manual_seed(0)
    target, generator = small_network(sigma=0.005), lively((3, 16, 16), 4)
    inversion = LatentInversion(target, generator, 8, 0.1, 0.3, spread(torch.rand(8, 3, 16, 16) - 0.5, 4))
    u = torch.randn(16, 8)
    # each image of the class that the server takes it for
    y = torch.zeros(16, dtype=torch.int64)
    for _ in range(20):
        y = target.server(target.mean(generator(u, y))).argmax(1)
    z = target.release(generator(u, y))
    kept = target.server(z).argmax(1) == y
    x, z = generator(u, y)[kept], z[kept]
    assert len(x) >= 8
    within = inversion.refine(z, inversion.search(z, 15), 60)
    per_image = (inversion.images(z, within)[0] - x).square().mean(dim=(1, 2, 3))
    spread_of_all = float((x - x.mean(0)).square().mean())
    assert float(per_image.median()) < 0.02 * spread_of_all
    assert float(per_image.mean()) < 0.2 * spread_of_all


def test_an_image_outside_of_it_is_explained_only_when_all_is_free():
    torch.manual_seed(0)
    target, generator = small_network(sigma=0.05), lively((3, 16, 16), 4)
    images = stripes(32)
    inversion = LatentInversion(target, generator, 4, 0.1, 0.3, spread(unit(images.x) - unit(images.x).mean(0), 8))
    inversion.scale = 0.4
    x = unit(images.x[:8])
    z = target.release(x)
    within = inversion.refine(z, inversion.search(z, 10), 40)
    bound, free = inversion.images(z, within)[0], inversion.free(z, within, 60)[0]
    assert target.surprise(free, z).mean() < target.surprise(bound, z).mean()
    assert (free - x).square().mean() < 0.5 * (bound - x).square().mean()


def test_neighbours_in_a_batch_change_nothing():
    torch.manual_seed(0)
    target, generator = small_network(sigma=0.1), lively((3, 16, 16), 4)
    inversion = LatentInversion(target, generator, 3, 0.1, 0.3, spread(torch.rand(8, 3, 16, 16) - 0.5, 4))
    inversion.scale = 0.1
    z = target.release(torch.rand(4, 3, 16, 16))

    def inverted(z: Tensor) -> Tensor:
        return inversion.free(z, inversion.refine(z, inversion.search(z, 2), 3), 3)

    torch.testing.assert_close(inverted(z)[:, 1:2], inverted(z[1:2]), atol=1e-4, rtol=0)


def test_the_spread_of_images_is_that_of_their_covariance():
    torch.manual_seed(0)
    x = torch.randn(4000, 3, 2, 2) @ torch.tensor([[1.0, 0.5], [0.0, 0.2]])
    root = spread(x, 12)
    v, pixels = torch.randn(40000, 12), torch.randn(40000, 3, 2, 2)
    drawn = root(v, pixels).flatten(1).T.cov()
    data = x.flatten(1).T.cov()
    torch.testing.assert_close(drawn, data / data.diagonal().mean(), atol=0.05, rtol=0)


# the attack


@pytest.mark.slow
def test_inversion_comes_near_the_least_error_and_not_below_it():
    # the images are Gaussian, and so is what the inversion takes for likely: it finds their posterior mean
    target = LinearGaussian(sigma=0.07, side=8)
    attack, fit = fitted(GanPrior(**(PRIOR | {"free_steps": 80})), target, 2000)
    per_image = errors(attack, target, 256)
    assert per_image.mean() <= 1.06 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.verdict == "open"


@pytest.mark.slow
def test_inversion_reads_nothing_from_pure_noise():
    target = PureNoise(sigma=0.07, side=8)
    attack, fit = fitted(GanPrior(**PRIOR), target, 1000)
    per_image = errors(attack, target, 500)
    assert per_image.mean() <= 1.05 * target.least_error() + 4 * sampling_error(per_image)
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert fit.verdict == "floor"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sigma", [0.02, 0.07, 0.25])
def test_inversion_comes_within_8_percent_of_the_least_error_at_every_noise_level(sigma):
    target = LinearGaussian(sigma=sigma, side=16)
    settings = PRIOR | {"free_steps": 400, "components": 768}
    attack, _ = fitted(GanPrior(**settings), target, 9000)
    per_image = errors(attack, target, 128)
    assert per_image.mean() <= 1.08 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


def network_and_images() -> tuple[LiveTarget, Images, Images]:
    torch.manual_seed(0)
    return small_network(sigma=0.1), stripes(48), stripes(12)


def test_a_fit_beats_the_best_guess_and_says_how():
    target, aux, val = network_and_images()
    attack = GanPrior(**(PRIOR | {"prior_steps": 30, "free_steps": 20}))
    fit = attack.fit(target, aux, val)
    assert fit.curve[-1].validation < 0.5 * guess_error(aux, val)
    assert fit.curve[-1].step == 2 + 3 + 20
    assert len(fit.curve) <= 20
    assert fit.details["end_surprise"] < fit.details["start_surprise"]
    assert all(math.isfinite(value) for value in fit.details.values())
    x = unit(val.x)
    assert (attack.reconstruct(target.release(x)) - x).square().mean() < 0.5 * guess_error(aux, val)


def test_a_prior_from_a_file_serves_as_one_trained_at_once():
    target, aux, val = network_and_images()
    bare = GanPrior(**SHORT)
    trained, loaded = (bare.make_prior(target.image_shape, target.num_classes) for _ in range(2))
    bare.train_prior(trained, aux)
    loaded.load_state_dict(trained.state_dict())
    z, found = target.release(unit(val.x)), []
    for attack in (bare.with_prior(trained), bare.with_prior(loaded)):
        torch.manual_seed(1)
        attack.fit(target, aux, val)
        found.append(attack.reconstruct(z))
    assert torch.equal(*found)


@pytest.mark.slow
def test_a_seed_gives_the_same_reconstructions_twice():
    found = []
    for _ in range(2):
        target, aux, val = network_and_images()
        attack = GanPrior(**SHORT)
        attack.fit(target, aux, val)
        found.append(attack.reconstruct(target.release(unit(val.x))))
    assert torch.equal(*found)


def test_mse_and_ssim_are_scored_from_one_run_of_the_inversion():
    target, aux, val = network_and_images()
    attack = GanPrior(**SHORT)
    attack.fit(target, aux, val)
    z = target.release(unit(val.x))
    for_ssim, for_mse = attack.reconstruct_for_ssim(z), attack.reconstruct(z)
    assert attack.reconstruct_for_ssim(z) is for_ssim
    means = attack.means[target.server(z).argmax(1)]
    torch.testing.assert_close(for_mse, means + attack.contrast * (for_ssim - means))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"restarts": 1}, "gan_prior: restarts must be >= 2, not 1"),
        ({"latent": 0}, "gan_prior: latent must be >= 1, not 0"),
        ({"images": 0}, "gan_prior: images must be >= 1, not 0"),
        ({"free_steps": -1}, "gan_prior: free_steps must be >= 0, not -1"),
        ({"search_steps": 0, "refine_steps": 0, "free_steps": 0}, "must be > 0, not all 0"),
        ({"proximity": 0.0}, "gan_prior: proximity must be > 0, not 0.0"),
        ({"ema": 1.0}, r"gan_prior: ema must be in \[0, 1\), not 1.0"),
    ],
)
def test_an_inversions_setting_out_of_its_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        GanPrior(**(PRIOR | setting))


@pytest.mark.parametrize("attack", [GanDecoder(**DECODER), GanPrior(**PRIOR)])
def test_nothing_is_reconstructed_before_a_fit(attack):
    with pytest.raises(RuntimeError, match="fit it before"):
        attack.reconstruct(torch.zeros(1, 8, 8, 8))


def test_another_attacks_prior_is_refused():
    target, aux, val = network_and_images()
    attack = GanPrior(**PRIOR).with_prior(nn.Identity())
    with pytest.raises(TypeError, match="gan_prior: a prior is a Generator, not Identity"):
        attack.fit(target, aux, val)


@pytest.mark.parametrize("attack", [GanDecoder, GanPrior])
def test_every_budget_makes_an_attack_and_lies_where_tuning_may_look(attack):
    for settings in attack.budgets.values():
        attack(**settings)
        for name, span in attack.tunable.items():
            assert span.low <= settings[name] <= span.high
