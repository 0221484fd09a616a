"""Attacks: the registry, the published network, verdicts, and problems whose answer is known."""

import pytest
import torch
from torch import nn

import attacks
from attacks.base import Images, Point
from attacks.decoder import Decoder
from attacks.networks import InverseNetwork
from attacks.precision import autocast, bfloat16_is_faster, share_of_float32
from attacks.testproblems import DEVIATION, LinearGaussian, PureNoise
from attacks.verdict import verdict
from tests.known_answers import errors, sampling_error

SMALL = Decoder.budgets["quick"] | {"blocks": 1, "epochs": 100, "batch_size": 64}


def fitted(target: LinearGaussian, num_images: int, num_val: int = 500, **changes) -> tuple[Decoder, str]:
    torch.manual_seed(0)
    decoder = Decoder(**(SMALL | changes))
    fit = decoder.fit(target, target.sample(num_images), target.sample(num_val))
    return decoder, fit.verdict


# known answers


def test_in_a_few_steps_the_decoder_comes_near_the_posterior_mean():
    target = LinearGaussian(sigma=0.07, side=4)
    decoder, outcome = fitted(target, num_images=6400, num_val=50, steps=150, lr=8e-3)
    z = target.release(target.sample(300).x.float() / 255)
    # what a reconstruction is off adds to the least error; the guess is off by six times the least error
    assert (decoder.reconstruct(z) - target.posterior_mean(z)).square().mean() <= 0.12 * target.least_error()
    assert outcome == "open"


@pytest.mark.slow
def test_the_decoder_comes_within_5_percent_of_the_least_error_and_not_below_it():
    target = LinearGaussian(sigma=0.07, side=8)
    decoder, outcome = fitted(target, num_images=6400, steps=500)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= 1.05 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert outcome == "open"


@pytest.mark.slow
def test_nothing_is_read_from_pure_noise():
    target = PureNoise(sigma=0.07, side=16)
    decoder, outcome = fitted(target, num_images=3200, steps=100)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= 1.02 * target.least_error() + 4 * sampling_error(per_image)
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert outcome == "floor"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("sigma", "most"), [(0.02, 1.08), (0.07, 1.05), (0.25, 1.05)])
def test_the_decoder_comes_near_the_least_error_at_every_noise_level(sigma, most):
    target = LinearGaussian(sigma=sigma)
    decoder, _ = fitted(target, num_images=12800, steps=600)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= most * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pure_noise_leaves_the_decoder_within_2_percent_of_the_best_guess():
    target = PureNoise(sigma=0.07)
    decoder, outcome = fitted(target, num_images=12800, steps=600)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= 1.02 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert outcome == "floor"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_pixel_of_the_known_problem_has_its_deviation_and_the_eigenvalues_fall_as_stated(seed):
    covariance = LinearGaussian(sigma=0.1, seed=seed).covariance
    assert torch.allclose(covariance.diagonal().sqrt(), torch.full((48,), DEVIATION, dtype=torch.float64))
    eigenvalues = torch.linalg.eigvalsh(covariance).flip(0)
    assert torch.allclose(eigenvalues, eigenvalues[0] * torch.arange(1, 49, dtype=torch.float64) ** -2)


def test_the_least_error_is_that_of_the_best_linear_reconstruction():
    # for Gaussians the posterior mean is linear, and least squares finds it from samples
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.07, side=16)
    x = target.sample(3000).x.double() / 255 - 0.5
    z = target.release(x.float() + 0.5).double().permute(0, 2, 3, 1).reshape(-1, 8)
    patches = nn.functional.pixel_unshuffle(x, 4).permute(0, 2, 3, 1).reshape(-1, 48)
    left = patches - z @ torch.linalg.lstsq(z, patches).solution
    assert float(left.square().mean()) == pytest.approx(target.least_error(), rel=0.01)


def test_a_release_of_the_test_problem_has_the_noise_it_says():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.25)
    x = target.sample(20).x.float() / 255
    releases = target.release(x, m=50)
    assert releases.shape == (50, 20, 8, 8, 8)
    assert float((releases - target.mean(x)).std()) == pytest.approx(0.25, rel=0.02)
    assert float(x.std()) == pytest.approx(0.1, rel=0.05)


# the decoder


@pytest.mark.parametrize(("blocks", "parameters"), [(8, 711_539), (4, 415_091)])
def test_the_network_has_the_published_number_of_parameters(blocks, parameters):
    network = InverseNetwork((8, 8, 8), (3, 32, 32), blocks=blocks, channels=64)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("activation", "image"),
    [
        ((8, 8, 8), (3, 32, 32)),
        ((8, 16, 16), (3, 32, 32)),
        ((8, 32, 32), (3, 32, 32)),
        ((8, 12, 12), (3, 48, 48)),
        ((8, 16, 16), (3, 64, 64)),
        ((8, 4, 4), (3, 64, 64)),
        ((128, 8, 8), (3, 32, 32)),
        ((8, 7, 7), (3, 32, 32)),
        ((8, 11, 16), (3, 32, 50)),
    ],
)
def test_the_network_inverts_activations_of_any_size(activation, image):
    network = InverseNetwork(activation, image, blocks=1, channels=4)
    x_hat = network(torch.randn(2, *activation))
    assert x_hat.shape == (2, *image)
    assert 0 <= x_hat.min() <= x_hat.max() <= 1


def test_activations_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="no smaller than activations"):
        InverseNetwork((8, 64, 64), (3, 32, 32), blocks=1, channels=4)


def test_the_network_itself_maps_to_float32_under_autocast():
    device = torch.device("cpu")
    with autocast(device, torch.bfloat16):
        x_hat = InverseNetwork((8, 8, 8), (3, 32, 32), blocks=1, channels=4)(torch.randn(2, 8, 8, 8))
    assert x_hat.dtype == torch.float32


@pytest.mark.parametrize("precision", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)])
def test_a_fit_gives_the_same_numbers_for_the_same_seed(precision):
    target = LinearGaussian(sigma=0.1, side=8, precision=precision)

    def reconstructed() -> torch.Tensor:
        torch.manual_seed(1)
        decoder = Decoder(**(SMALL | {"steps": 4}))
        decoder.fit(target, target.sample(200), target.sample(50))
        return decoder.reconstruct(target.mean(torch.full((3, 3, 8, 8), 0.4)))

    first, second = reconstructed(), reconstructed()
    assert torch.equal(first, second)
    assert first.dtype == torch.float32


def test_a_reconstruction_does_not_depend_on_the_images_beside_it():
    target = LinearGaussian(sigma=0.1, side=8)
    decoder, _ = fitted(target, num_images=200, num_val=20, steps=4)
    z = target.release(target.sample(6).x.float() / 255)
    together = decoder.reconstruct(z)
    alone = torch.cat([decoder.reconstruct(one) for one in z.split(1)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("num_images", "settings", "steps"),
    [
        (320, {"epochs": 2, "batch_size": 128}, 20),
        (320, {"epochs": 2, "batch_size": 128, "steps": 7}, 7),
        (325, {"epochs": 1, "batch_size": 16}, 21),
        (7, {"epochs": 1, "batch_size": 16}, 7),
    ],
)
def test_a_budget_is_passes_over_the_images_cut_off_after_its_steps(num_images, settings, steps):
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.1, side=8)
    decoder = Decoder(**(SMALL | {"blocks": 0, "channels": 2, "steps": None} | settings))
    curve = decoder.fit(target, target.sample(num_images), target.sample(10)).curve
    assert curve[-1].step == steps
    assert len(curve) <= 20
    assert [point.step for point in curve] == sorted({point.step for point in curve})


def test_a_decoder_that_blows_up_is_called_diverged():
    _, outcome = fitted(LinearGaussian(sigma=0.1, side=8), num_images=200, num_val=20, steps=8, lr=1e6)
    assert outcome == "diverged"


def test_validation_is_the_mean_squared_error_on_the_given_images():
    torch.manual_seed(0)
    target = PureNoise(sigma=0.0, side=8)
    decoder = Decoder(**(SMALL | {"steps": 6}))
    aux, val = target.sample(200), target.sample(60)
    curve = decoder.fit(target, aux, val).curve
    x = val.x.float() / 255
    assert float((decoder.reconstruct(target.mean(x)) - x).square().mean()) == pytest.approx(curve[-1].validation)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs must be >= 1, not 0"),
        ({"steps": 0}, "steps must be >= 1, not 0"),
        ({"lr": 0.0}, "lr must be > 0, not 0.0"),
        ({"schedule": "linear"}, r"schedule takes \['cosine', 'one-cycle', 'stable'\], not 'linear'"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Decoder(**(SMALL | setting))


def test_a_decoder_reconstructs_only_after_its_fit():
    with pytest.raises(RuntimeError, match="fit it before"):
        Decoder(**SMALL).reconstruct(torch.zeros(1, 8, 8, 8))


# verdicts


def curve(*validation: float, train: float = 0.01) -> list[Point]:
    return [Point(step + 1, train, value) for step, value in enumerate(validation)]


FLAT = [0.05] * 4


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (curve(*FLAT, 0.05), "open"),
        (curve(0.05), "open"),
        (curve(*[0.2] * 5, 0.097), "open"),
        (curve(*[0.1] * 6), "floor"),
        (curve(*[0.05] * 5, 0.099), "floor"),
        (curve(*[0.2] * 5, 0.109), "floor"),
        (curve(*[0.2] * 5, 0.12), "diverged"),
        (curve(*FLAT, 0.05, float("nan")), "diverged"),
        (curve(*FLAT, float("inf"), 0.05), "diverged"),
        (curve(*FLAT, train=float("nan")), "diverged"),
    ],
)
def test_verdicts_beside_a_guess_of_a_tenth(points, expected):
    assert verdict(points, guess=0.1) == expected


def test_what_reconstructs_counts_and_not_the_last_of_the_curve():
    assert verdict(curve(0.05, 0.12), guess=0.1, error=0.05) == "open"


# the registry


def test_every_attack_declares_what_the_contract_asks_for():
    for name, attack in attacks.ATTACKS.items():
        assert attacks.resolve(name) is attack
        assert attack.reference
        assert attack.knowledge in ("queries", "gradients", "none")
        for budget in attack.budgets:
            attack(**attacks.budget(attack, budget))


def test_a_plug_in_is_named_by_module_and_class():
    assert attacks.resolve("attacks.decoder:Decoder") is Decoder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("oracle", "no attack 'oracle'; known: decoder"),
        ("../decoder", "no attack"),
        ("nowhere:Mine", "No module named 'nowhere'"),
        ("attacks.decoder:Encoder", "has no attribute 'Encoder'"),
        ("attacks.decoder:CHUNK", "is not a subclass"),
    ],
)
def test_a_name_that_stands_for_no_attack_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        attacks.resolve(name)


def test_an_unknown_budget_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Decoder takes the budgets \['quick', 'standard', 'strong'\], not 'huge'"):
        attacks.budget(Decoder, "huge")


def test_a_budget_cannot_be_changed_by_who_asks_for_it():
    attacks.budget(Decoder, "quick")["steps"] = 1
    assert attacks.budget(Decoder, "quick")["steps"] == 500


# precision


def test_autocast_to_float32_changes_nothing():
    a = torch.randn(4, 4)
    with autocast(torch.device("cpu"), torch.float32):
        assert (a @ a).dtype == torch.float32
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16


def test_bfloat16_is_used_only_where_the_hardware_has_it_and_a_convolution_is_faster_with_it():
    """A share near the bound may fall on either side of it the next time, so there nothing is claimed; nor is anything
    of two timings between which a neighbour began to work.
    """
    assert any(_timings_agree() for _ in range(5))
    assert not bfloat16_is_faster(torch.device("meta"))


def _timings_agree() -> bool:
    capabilities = torch.cpu.get_capabilities()
    has = bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    share = share_of_float32()
    bfloat16_is_faster.cache_clear()
    used = bfloat16_is_faster(torch.device("cpu"))
    return not used if not has or share > 1.1 else used or share >= 0.6


def test_timing_a_convolution_leaves_the_number_of_threads_as_it_was():
    torch.set_num_threads(2)  # the fixture of all tests puts its own back
    share_of_float32()
    assert torch.get_num_threads() == 2


def test_images_of_the_test_problem_are_bytes():
    images = LinearGaussian(sigma=0.1, side=16).sample(3)
    assert isinstance(images, Images)
    assert images.x.dtype == torch.uint8
    assert images.x.shape == (3, 3, 16, 16)
