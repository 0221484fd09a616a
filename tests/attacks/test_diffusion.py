"""The diffusion attack: schedule, prior, guidances, and posteriors that are known in closed form."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.base import Images, Span
from attacks.denoiser import Denoiser, ImagePrior, Training, signal_and_noise, train
from attacks.diffusion import Diffusion
from attacks.guidance import GUIDANCES, Noisy, Settings, dps, moment, sample, spherical
from attacks.networks import Sizes
from attacks.own_noise import OwnNoise
from attacks.testproblems import DEVIATION, PATCH, LinearGaussian, PureNoise
from tests.exact_prior import Exact
from tests.known_answers import sampling_error

SIDE = 12
SIZES = Sizes(channels=8, mult=(1, 2), blocks=1, patch=2)
SMALL = Diffusion.budgets["quick"] | {"channels": 8, "mult": (1, 2), "components": 32, "prior_steps": 10, "steps": 6}
HOW = Settings("moment", steps=8, samples=32, step_size=1.0, weight=0.2, recurrences=1, iterations=9)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def noisy(prior: ImagePrior, clean: Tensor, time: float) -> Noisy:
    """Images in the prior's units at a time, denoised, with the graph."""
    alpha, sigma = (float(factor) for factor in signal_and_noise(torch.tensor(time)))
    u = (alpha * clean + sigma * torch.randn_like(clean)).requires_grad_()
    return Noisy(u, prior(u, torch.full((len(u),), time)), alpha, sigma)


def unit(images: Images) -> Tensor:
    return images.x.float() / 255


def sampled(target: LinearGaussian, x: Tensor, how: Settings) -> tuple[Tensor, Tensor, Tensor]:
    """Squared errors, ``(B,)``, of the mean of samples, of a single one (true score), and of the posterior mean."""
    prior, z = Exact(target), target.release(x)
    releases = z.repeat(how.samples, 1, 1, 1)

    def surprise(u: Tensor) -> Tensor:
        return target.surprise(prior.to_images(u), releases)

    drawn = prior.to_images(sample(prior, surprise, OwnNoise(z, 1), how, (how.steps - 1,)).u.flatten(0, 1))
    drawn = drawn.unflatten(0, (how.samples, len(x)))
    information = torch.linalg.inv(target.covariance) + target.weight.T @ target.weight / target.sigma**2
    gain = torch.linalg.solve(information, target.weight.T / target.sigma**2).float()
    exact = F.pixel_shuffle(torch.einsum("ij,bjhw->bihw", gain, z), PATCH) + 0.5
    return error(drawn.mean(dim=0), x), error(drawn[0], x), error(exact, x)


def error(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean(dim=(1, 2, 3))


def fitted(target: LinearGaussian, prior: ImagePrior | None = None, **changes) -> tuple[Diffusion, str, dict]:
    bare = Diffusion(**(SMALL | changes))
    attack = bare if prior is None else bare.with_prior(prior)
    torch.manual_seed(0)
    fit = attack.fit(target, target.sample(64), target.sample(32))
    return attack, fit.verdict, fit.details


# the schedule


def test_noising_keeps_the_variance_of_images_of_unit_variance():
    alpha, sigma = signal_and_noise(torch.linspace(0, 1, 11))
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(11))
    assert (alpha.diff() < 0).all()
    assert (sigma.diff() > 0).all()
    clean, noise = torch.randn(2, 100_000)
    assert (alpha[:, None] * clean + sigma[:, None] * noise).var(dim=1).sub(1).abs().max() < 0.03


# the prior


def test_an_untrained_prior_is_the_gaussian_of_the_attackers_images():
    target = LinearGaussian(0.07, side=SIDE)
    prior, exact = Denoiser(target.image_shape, SIZES, components=64), Exact(target)
    prior.measure(unit(target.sample(1500)), unit(target.sample(200)))
    clean = (unit(target.sample(200)) - 0.5) / DEVIATION
    for time in (0.3, 0.6, 0.9):
        errors = []
        for model in (prior, exact):
            torch.manual_seed(1)  # both meet the same noise
            at = noisy(model, model.to_units(clean * DEVIATION + 0.5), time)
            errors.append(float(error(model.to_images(at.u0.detach()), clean * DEVIATION + 0.5).mean()))
        assert errors[1] * 0.97 < errors[0] < errors[1] * 1.2


def test_components_that_do_not_hold_for_other_images_are_not_taken():
    prior = Denoiser((3, SIDE, SIDE), SIZES, components=64)
    prior.measure(torch.rand(60, 3, SIDE, SIDE), torch.rand(30, 3, SIDE, SIDE))
    assert int((prior.basis.square().sum(dim=1) > 0).sum()) <= 3
    assert float(prior.remainder) == pytest.approx(1, abs=0.1)


def test_training_learns_what_no_gaussian_tells():
    # one bright square, anywhere: moments of second order alone cannot tell that there is but one
    x = torch.full((400, 3, SIDE, SIDE), 60, dtype=torch.uint8)
    for image, (row, column) in zip(x, torch.randint(0, SIDE - 3, (400, 2)).tolist(), strict=True):
        image[:, row : row + 4, column : column + 4] = 240
    aux = Images(x, torch.zeros(400).long())
    prior = Denoiser((3, SIDE, SIDE), SIZES._replace(patch=1), components=4)
    curve = train(prior, aux, Training(steps=60, batch_size=16, lr=1e-2, ema=0.9))
    assert curve[-1].train < 0.7 * curve[0].train
    assert curve[-1].validation < 0.7 * curve[0].validation
    clean = prior.to_units(unit(aux))
    at = noisy(prior, clean, 0.3)
    gaussian = prior.gaussian(at.u.detach(), torch.full((400,), 0.3))
    assert error(at.u0.detach(), clean).mean() < 0.7 * error(gaussian, clean).mean()


@pytest.mark.parametrize("shape", [(3, 11, 11), (3, 13, 18)])
def test_a_prior_takes_images_of_any_size(shape):
    prior = Denoiser(shape, SIZES._replace(mult=(1, 2, 2)), components=8)
    assert prior(torch.randn(2, *shape), torch.tensor([0.1, 0.9])).shape == (2, *shape)


def test_a_prior_comes_back_from_its_state():
    target = LinearGaussian(0.07, side=SIDE)
    attack = Diffusion(**SMALL)
    first = attack.make_prior(target.image_shape, 1)
    attack.train_prior(first, target.sample(40))
    second = attack.make_prior(target.image_shape, 1)
    second.load_state_dict(first.state_dict())
    u, time = torch.randn(2, *target.image_shape), torch.tensor([0.2, 0.8])
    assert torch.equal(first(u, time), second(u, time))


def test_only_what_decides_the_prior_is_in_its_settings():
    same = Diffusion(**(SMALL | {"steps": 50, "guidance": "moment", "samples": 1})).prior_settings()
    assert same == Diffusion(**SMALL).prior_settings()
    assert Diffusion(**(SMALL | {"lr": 1e-4})).prior_settings() != same


# guidance


@pytest.mark.parametrize("time", [0.1, 0.5, 0.95])
def test_moment_guidance_is_the_posterior_mean_of_a_linear_gaussian_problem(time):
    target = LinearGaussian(0.07, side=SIDE)
    prior, x = Exact(target), unit(target.sample(4))
    z, at = target.release(x), noisy(Exact(target), (x - 0.5) / DEVIATION, time)
    found = moment(at, lambda u: target.surprise(prior.to_images(u), z), iterations=12)
    weight = target.weight * DEVIATION
    information = (
        torch.linalg.inv(prior.covariance)
        + torch.eye(48) * (at.alpha / at.sigma) ** 2
        + weight.T @ weight / target.sigma**2
    )
    seen = F.pixel_unshuffle(at.u.detach(), PATCH).double() * (at.alpha / at.sigma**2)
    told = torch.einsum("ji,bjhw->bihw", weight, z.double()) / target.sigma**2
    exact = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(information), seen + told)
    torch.testing.assert_close(F.pixel_unshuffle(found, PATCH).double(), exact, atol=2e-3, rtol=0)


def test_dps_moves_no_image_further_than_the_noise_allows_and_always_downhill():
    target = LinearGaussian(0.02, side=SIDE)
    prior, x = Exact(target), unit(target.sample(4))
    z, at = target.release(x), noisy(Exact(target), (x - 0.5) / DEVIATION, 0.4)

    def surprise(u: Tensor) -> Tensor:
        return target.surprise(prior.to_images(u), z)

    far, near = (dps(at, surprise, step_size) - at.u0.detach() for step_size in (100.0, 1e-7))
    radius = math.sqrt(at.u[0].numel()) * at.sigma
    torch.testing.assert_close(far.flatten(1).norm(dim=1), torch.full((4,), radius))
    assert (near.flatten(1).norm(dim=1) < radius).all()
    assert (surprise(at.u0 + near) < surprise(at.u0)).all()


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_a_spherical_step_has_exactly_the_length_of_the_noise_it_replaces(weight):
    gradient, noise = torch.randn(2, 5, 3, SIDE, SIDE)
    step = spherical(gradient * 1e-3, noise, weight, deviation=0.3)
    torch.testing.assert_close(step.flatten(1).norm(dim=1), torch.full((5,), 0.3 * math.sqrt(3 * SIDE**2)))
    along = -F.cosine_similarity(step.flatten(1), gradient.flatten(1))
    assert (along > 0.999).all() if weight == 1 else (along < 0.5).all()


# known answers


@pytest.mark.slow
def test_the_mean_of_samples_has_the_least_error_and_one_sample_about_twice_that():
    target = LinearGaussian(0.07, side=SIDE)
    mean, one, exact = sampled(target, unit(target.sample(64)), HOW)
    assert mean.mean() >= target.least_error() - 4 * sampling_error(mean)
    assert mean.mean() <= 1.06 * exact.mean()
    assert 1.5 * exact.mean() <= one.mean() <= 2.2 * exact.mean()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sigma", [0.02, 0.07, 0.25])
@pytest.mark.parametrize(("guidance", "steps", "most"), [("moment", 24, 1.06), ("dps", 100, 1.1)])
def test_diffusion_with_the_true_score_comes_near_the_least_error(sigma, guidance, steps, most):
    target = LinearGaussian(sigma)
    # beside the posterior mean on the same images, few of them tell: what both miss by chance cancels
    mean, one, exact = sampled(target, unit(target.sample(12)), HOW._replace(guidance=guidance, steps=steps))
    assert abs(exact.mean() - target.least_error()) <= 4 * sampling_error(exact)
    assert mean.mean() <= most * exact.mean()
    assert 1.5 * exact.mean() <= one.mean() <= 2.2 * exact.mean()


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_nothing_is_read_from_pure_noise(guidance):
    target = PureNoise(0.07, side=SIDE)
    attack, outcome, _ = fitted(target, Exact(target), guidance=guidance)
    x = unit(target.sample(64))
    per_image = error(attack.reconstruct(target.release(x)), x)
    least = target.least_error()
    assert least - 4 * sampling_error(per_image) <= per_image.mean() <= 1.02 * least + 4 * sampling_error(per_image)
    assert outcome == "floor"


def test_with_the_true_score_the_attack_is_near_the_least_error_and_says_what_few_samples_cost():
    target = LinearGaussian(0.07, side=SIDE)
    attack, outcome, details = fitted(target, Exact(target), guidance="moment", iterations=9)
    x = unit(target.sample(64))
    per_image = error(attack.reconstruct(target.release(x)), x)
    assert per_image.mean() <= 1.1 * target.least_error() + 2 * sampling_error(per_image)
    assert outcome == "open"
    assert details["mse_of_chosen_step"] <= details["mse_of_last_step"] < details["mse_of_one_sample"]


# the attack


def test_without_a_prior_the_attack_trains_one_and_beats_the_guess():
    target = LinearGaussian(0.02, side=SIDE)
    attack, outcome, _ = fitted(target, steps=12, components=48)
    x = unit(target.sample(32))
    assert error(attack.reconstruct(target.release(x)), x).mean() < 0.8 * DEVIATION**2
    assert outcome == "open"


def test_an_unfinished_prior_is_flagged():
    target = LinearGaussian(0.07, side=SIDE)
    prior = Exact(target)
    attack = Diffusion(**(SMALL | {"guidance": "moment"})).with_prior(prior)
    for unfinished in (1, 0):
        prior.unfinished.fill_(unfinished)
        course = attack.fit(target, target.sample(64), target.sample(8)).course
        assert course.flags == ("prior unfinished",) * unfinished


@pytest.mark.slow
def test_the_spread_of_the_samples_tells_what_so_few_of_them_cost():
    """With the true score, the mean of S samples costs a variance over S more than that of many."""
    target = LinearGaussian(0.07, side=SIDE)
    few = Diffusion(**(SMALL | {"guidance": "moment", "iterations": 9, "steps": 12, "samples": 4}))
    attack = few.with_prior(Exact(target))
    x = unit(target.sample(48))
    z, last = target.release(x), (attack.how.steps - 1,)
    attack.fit(target, target.sample(64), target.sample(8))
    run, many = (attack._run(z, attack.how._replace(samples=samples), last, seed=1) for samples in (4, 64))
    cost = error(run.means[0], x).mean() - error(many.means[0], x).mean()
    assert float(run.left.mean()) == pytest.approx(float(cost), rel=0.35)


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_an_image_does_not_depend_on_those_beside_it(guidance):
    target = LinearGaussian(0.07, side=SIDE)
    attack, _, _ = fitted(target, guidance=guidance)
    z = target.release(unit(target.sample(3)))
    how, watch = attack.how, (attack.how.steps - 1,)
    together = attack._run(z, how, watch, seed=5)
    alone = attack._run(z[1:2], how, watch, seed=5)
    torch.testing.assert_close(together.means[:, 1:2], alone.means, atol=1e-4, rtol=0)
    torch.testing.assert_close(together.one[1:2], alone.one, atol=1e-4, rtol=0)


def test_the_samples_of_two_images_have_no_noise_in_common():
    """From releases that say nothing each image, and each seed, gets a draw from the prior of its own."""
    target = PureNoise(0.07, side=SIDE)
    prior = Exact(target)
    attack = Diffusion(**(SMALL | {"samples": 1})).with_prior(prior)
    attack.target = target
    z, how = target.release(unit(target.sample(8))), attack.how
    first, second = ((attack._run(z, how, (how.steps - 1,), seed).one - 0.5).flatten(1) for seed in (5, 6))
    correlation = torch.corrcoef(torch.cat([first, second])) - torch.eye(16)
    assert correlation.abs().max() < 0.75


def test_the_same_seed_gives_the_same_reconstructions():
    target = LinearGaussian(0.07, side=SIDE)
    z = target.release(unit(target.sample(4)))
    first, second = (fitted(target)[0].reconstruct(z) for _ in range(2))
    assert torch.equal(first, second)


def test_both_reconstructions_come_from_one_run():
    target = LinearGaussian(0.07, side=SIDE)
    attack, _, _ = fitted(target)
    z, other = target.release(unit(target.sample(4))), target.release(unit(target.sample(4)))
    attack.one_for_ssim = False
    first = attack.reconstruct(z)
    assert not torch.equal(attack.reconstruct(other), first)
    state = torch.get_rng_state()
    assert torch.equal(attack.reconstruct_for_ssim(z.clone()), first)
    assert torch.equal(torch.get_rng_state(), state)
    attack.one_for_ssim = True
    assert not torch.equal(attack.reconstruct_for_ssim(z), first)


# settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"guidance": "free"}, "diffusion: guidance must be one of dps, spherical, moment, not 'free'"),
        ({"steps": 0}, "diffusion: steps must be >= 1, not 0"),
        ({"samples": 0}, "diffusion: samples must be >= 1, not 0"),
        ({"mult": ()}, "diffusion: mult must be >= 1, not 0"),
        ({"channels": 6}, "diffusion: channels must be a multiple of 4, not 6"),
        ({"step_size": 0.0}, "diffusion: step_size must be > 0, not 0.0"),
        ({"weight": 1.5}, r"diffusion: weight must be in \[0, 1\], not 1.5"),
        ({"ema": 1.0}, r"diffusion: ema must be in \[0, 1\), not 1.0"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Diffusion(**(SMALL | changes))


def test_it_is_fitted_before_it_reconstructs():
    with pytest.raises(RuntimeError, match="diffusion: fit it before it reconstructs"):
        Diffusion(**SMALL).reconstruct(torch.zeros(1, 8, 3, 3))


@pytest.mark.parametrize("name", ["quick", "standard", "strong"])
def test_every_budget_is_accepted_and_lies_where_tuning_looks(name):
    settings = Diffusion.budgets[name]
    Diffusion(**settings)
    for setting, where in Diffusion.tunable.items():
        inside = where.low <= settings[setting] <= where.high if isinstance(where, Span) else settings[setting] in where
        assert inside
