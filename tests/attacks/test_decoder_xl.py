"""The strong decoder: problems whose answer is known, its network, what it reads, and its loss for ssim."""

import math

import pytest
import torch
from torch import nn

from attacks.base import Point
from attacks.decoder_xl import DecoderXl, _stalled
from attacks.fitting import Average, Stable, channel_statistics
from attacks.gains import gain
from attacks.metrics import ssim
from attacks.networks import UnetDecoder
from attacks.reading import Reader
from attacks.testproblems import LinearGaussian, PureNoise
from tests.known_answers import errors, sampling_error

SMALL = DecoderXl.budgets["quick"] | {"epochs": 50, "steps": 150}
TINY = SMALL | {"width": 4, "steps": 12, "batch_size": 16}


def fitted(target: LinearGaussian, num_images: int, **changes) -> tuple[DecoderXl, str]:
    torch.manual_seed(0)
    decoder = DecoderXl(**(SMALL | changes))
    fit = decoder.fit(target, target.sample(num_images), target.sample(300))
    return decoder, fit.verdict


def briefly(target: LinearGaussian, **changes) -> DecoderXl:
    """A decoder that has been fitted, and learned next to nothing."""
    torch.manual_seed(0)
    decoder = DecoderXl(**(TINY | {"steps": 4} | changes))
    decoder.fit(target, target.sample(160), target.sample(20))
    return decoder


# known answers


@pytest.mark.slow
def test_it_comes_within_5_percent_of_the_least_error_and_not_below_it():
    target = LinearGaussian(sigma=0.07, side=16)
    decoder, outcome = fitted(target, num_images=3200, ssim_share=0.0)
    per_image = errors(decoder, target, 1500)
    assert per_image.mean() <= 1.05 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert outcome == "open"


def test_nothing_is_read_from_pure_noise():
    target = PureNoise(sigma=0.07, side=8)
    decoder, outcome = fitted(target, num_images=3200, ssim_share=0.0, steps=40)
    # the best guess is the mean image: what a reconstruction is off it adds to the least error
    off = decoder.reconstruct(target.release(target.sample(500).x.float() / 255)) - 0.5
    assert off.square().mean() <= 0.02 * target.least_error()
    assert outcome == "floor"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("sigma", "most"), [(0.02, 1.08), (0.07, 1.05), (0.25, 1.05)])
def test_it_comes_near_the_least_error_at_every_noise_level(sigma, most):
    target = LinearGaussian(sigma=sigma)
    decoder, _ = fitted(target, num_images=12800, steps=400, ssim_share=0.0)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= most * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pure_noise_leaves_it_within_2_percent_of_the_best_guess():
    target = PureNoise(sigma=0.07)
    decoder, outcome = fitted(target, num_images=6400, steps=100, ssim_share=0.0)
    per_image = errors(decoder, target, 2000)
    assert per_image.mean() <= 1.02 * target.least_error()
    assert per_image.mean() >= target.least_error() - 4 * sampling_error(per_image)
    assert outcome == "floor"


@pytest.mark.slow
def test_a_fit_that_is_flat_since_its_learning_rate_fell_is_known_to_gain_by_more_steps():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.07, side=16)
    decoder = DecoderXl(**(SMALL | {"steps": 60, "ssim_share": 0.0}))
    fit = decoder.fit(target, target.sample(3200), target.sample(300))
    errors = fit.course.errors
    assert fit.curve[-2].validation < 1.02 * fit.curve[-1].validation
    assert gain(errors[0.5], errors[1.0]).low > 0.05
    assert errors[0.25].mean() > errors[0.5].mean()


def test_once_it_stalls_the_learning_rate_falls_and_the_training_is_shorter():
    torch.manual_seed(0)
    target = PureNoise(sigma=0.07, side=8)
    settings = SMALL | {"width": 4, "steps": 400, "epochs": 400, "patience": 1, "ssim_share": 0.0}
    curve = DecoderXl(**settings).fit(target, target.sample(320), target.sample(80)).curve
    assert curve[-1].step < 400


# ssim


def test_ssim_of_an_image_with_itself_is_1_and_the_gradient_is_0_there():
    x = torch.rand(2, 3, 16, 16)
    x_hat = x.clone().requires_grad_()
    similarity = ssim(x_hat, x)
    (gradient,) = torch.autograd.grad(similarity.sum(), x_hat)
    assert torch.allclose(similarity, torch.ones(2), atol=1e-5)
    assert float(gradient.abs().max()) < 1e-3


def test_images_smaller_than_ssim_s_window_are_refused():
    with pytest.raises(ValueError, match="at least 11 pixels a side, not 10"):
        ssim(torch.rand(1, 3, 16, 10), torch.rand(1, 3, 16, 10))


@pytest.mark.slow
def test_training_for_ssim_raises_it_on_validation_and_gives_other_images():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.07, side=16)
    decoder = DecoderXl(**(SMALL | {"steps": 100, "ssim_share": 0.5}))
    details = decoder.fit(target, target.sample(1000), target.sample(200)).details
    assert details["ssim_end"] > details["ssim_start"]
    z = target.mean(target.sample(4).x.float() / 255)
    assert not torch.equal(decoder.reconstruct(z), decoder.reconstruct_for_ssim(z))


def test_without_a_share_for_ssim_one_network_serves_both():
    target = LinearGaussian(sigma=0.07, side=16)
    decoder = briefly(target, ssim_share=0.0)
    z = target.mean(target.sample(4).x.float() / 255)
    assert torch.equal(decoder.reconstruct(z), decoder.reconstruct_for_ssim(z))


@pytest.mark.parametrize("mirrors", [False, True])
def test_images_are_mirrored_only_where_a_mirrored_image_is_as_likely(mirrors):
    target = LinearGaussian(sigma=0.07, side=16)
    target.mirrors = mirrors
    plain, flipped = (briefly(target, ssim_share=0.0, flips=flips) for flips in (False, True))
    z = target.mean(target.sample(4).x.float() / 255)
    assert torch.equal(plain.reconstruct(z), flipped.reconstruct(z)) is not mirrors


# the network


@pytest.mark.parametrize(
    ("activation", "image"),
    [
        ((8, 8, 8), (32, 32)),
        ((8, 16, 16), (32, 32)),
        ((8, 32, 32), (32, 32)),
        ((8, 12, 12), (48, 48)),
        ((8, 4, 4), (64, 64)),
        ((1, 2, 2), (32, 32)),
        ((128, 1, 1), (16, 16)),
        ((512, 8, 8), (32, 32)),
        ((8, 7, 7), (32, 32)),
        ((8, 11, 16), (32, 50)),
        ((8, 13, 9), (32, 50)),
    ],
)
def test_the_network_inverts_activations_of_any_size(activation, image):
    network = UnetDecoder(activation, torch.rand(1, 3, *image), num_classes=1, width=4, blocks=1, attention=8)
    nn.init.normal_(network.outlet.weight)
    x_hat = network(torch.randn(2, *activation), torch.ones(2, 1), torch.zeros(2, 1))
    assert x_hat.shape == (2, 3, *image)
    assert not torch.equal(x_hat[0], x_hat[1])


def test_the_strong_network_has_the_widths_and_scales_of_the_specification():
    strong = DecoderXl.budgets["strong"]
    sizes = {name: strong[name] for name in ("width", "blocks", "attention")}
    network = UnetDecoder((64, 8, 8), torch.zeros(1, 3, 32, 32), num_classes=10, **sizes)
    assert network.sizes == [(4, 4), (8, 8), (16, 16), (32, 32)]
    assert [scale.blocks[0].first.in_channels for scale in network.up] == [256, 256, 128, 64]
    assert [len(scale.blocks) for scale in network.up] == [3] * 4
    assert [isinstance(scale.attention, nn.Identity) for scale in network.up] == [False, False, False, True]
    assert 9e6 < sum(parameter.numel() for parameter in network.parameters()) < 15e6


def test_activations_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="no smaller than activations"):
        UnetDecoder((8, 64, 64), torch.zeros(1, 3, 32, 32), 10, 4, 1, 8)


def test_an_untrained_network_returns_the_image_it_starts_at():
    start = torch.rand(1, 3, 16, 16)
    network = UnetDecoder((8, 4, 4), start, num_classes=3, width=4, blocks=1, attention=8)
    assert torch.equal(
        network(torch.randn(2, 8, 4, 4), torch.rand(2, 3), torch.zeros(2, 1)), start.expand(2, -1, -1, -1)
    )


@pytest.mark.parametrize(
    ("activation", "image", "patch", "sizes"),
    [
        ((8, 8, 8), (32, 32), 2, [(4, 4), (8, 8), (16, 16)]),
        ((8, 11, 16), (32, 50), 2, [(3, 4), (6, 8), (11, 16)]),
        ((8, 32, 32), (32, 32), 1, [(4, 4), (8, 8), (16, 16), (32, 32)]),
        ((8, 8, 8), (33, 32), 1, [(4, 4), (8, 8), (16, 16), (32, 32)]),
    ],
)
def test_squares_of_pixels_are_one_position_where_they_tile_the_image_and_hide_none_of_the_activation(
    activation, image, patch, sizes
):
    start = torch.rand(1, 3, *image)
    network = UnetDecoder(activation, start, num_classes=1, width=4, blocks=1, attention=0, patch=2)
    assert (network.patch, network.sizes) == (patch, sizes)
    inputs = torch.randn(2, *activation), torch.ones(2, 1), torch.zeros(2, 1)
    assert torch.equal(network(*inputs), start.expand(2, -1, -1, -1))
    nn.init.normal_(network.outlet.weight)
    assert network(*inputs).shape == (2, 3, *image)


@pytest.mark.parametrize("changed", [1, 2])
def test_a_trained_network_uses_the_predicted_label_and_the_noise_level(changed):
    torch.manual_seed(0)
    network = UnetDecoder((8, 4, 4), torch.zeros(1, 3, 16, 16), num_classes=3, width=4, blocks=1, attention=8)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    inputs = [torch.randn(2, 8, 4, 4), torch.rand(2, 3), torch.zeros(2, 1)]
    before = network(*inputs)
    inputs[changed] = inputs[changed] + 1
    assert not torch.allclose(network(*inputs), before)


# what it reads


class Masked(nn.Identity):
    masks = True


class OwnNoise(LinearGaussian):
    def noise_std(self, z):
        return torch.full_like(z, 0.3)


def test_what_is_read_is_standardised_by_the_attackers_statistics():
    torch.manual_seed(0)
    z = torch.randn(200, 8, 4, 4) * torch.arange(8)[:, None, None] * 1e-4 + 5
    read = Reader(LinearGaussian(sigma=0.1, side=16), z)(z)
    assert torch.allclose(read.z.mean(dim=(0, 2, 3)), torch.zeros(8), atol=0.05)
    assert torch.allclose(read.z[:, 1:].std(dim=(0, 2, 3)), torch.ones(7), atol=0.01)
    assert read.log_sigma.shape == (200, 1)
    assert float(read.log_sigma[0]) == pytest.approx(math.log(0.1))
    assert torch.equal(read.probabilities, torch.ones(200, 1))


def test_a_silent_channel_stays_silent():
    mean, deviation = channel_statistics(torch.stack([torch.zeros(50, 4, 4), torch.randn(50, 4, 4)], dim=1))
    assert mean.shape == deviation.shape == (1, 2, 1, 1)
    assert float(deviation.min()) >= 1e-4


def test_under_a_masking_defense_it_reads_which_values_may_be_hidden():
    target = LinearGaussian(sigma=0.1, side=16)
    target.defense = Masked()
    z = torch.cat([torch.full((3, 8, 4, 2), 0.29), torch.full((3, 8, 4, 2), -0.31)], dim=3)
    hidden = Reader(target, z)(z).z[:, 8:]
    assert hidden.shape == z.shape
    assert bool((hidden[..., :2] > 0).all())
    assert bool((hidden[..., 2:] < 0).all())


def test_under_a_defense_with_noise_of_its_own_it_reads_how_much():
    target = OwnNoise(sigma=0.4, side=16)
    z = target.release(torch.rand(3, 3, 16, 16))
    reader = Reader(target, z)
    assert reader.mean.shape == (1, 16, 1, 1)
    assert torch.allclose(reader.mean[0, 8:], torch.tensor(0.5).log())


class Louder(LinearGaussian):
    """Adds noise that grows with the activation, as VIB learns to."""

    def noise_std(self, z):
        return 0.3 * z.exp()

    def release(self, x, m=1):
        z = self.mean(x)
        return z + torch.randn_like(z) * (self.noise_std(z).square() + self.sigma**2).sqrt()


def test_noise_that_depends_on_the_activation_is_read_of_what_is_expected_of_it_and_not_of_a_noisy_release():
    torch.manual_seed(0)
    target = Louder(sigma=0.1, side=16)
    x = target.sample(600).x / 255
    z, activation = target.release(x), target.mean(x)
    known = (target.noise_std(activation).square() + target.sigma**2).sqrt().log()

    def missed(reader):
        read = reader(z)
        return float((read.z[:, 8:] * reader.deviation[:, 8:] + reader.mean[:, 8:] - known).square().mean())

    plain, shrunk = (missed(Reader(target, z, again)) for again in (None, lambda: target.release(x)))
    # the best linear guess of the activation: its residual is what no reader of one release can know
    assert shrunk < 0.5 * plain
    cov = torch.cov(activation.movedim(1, -1).flatten(0, -2).T)
    noise = (target.noise_std(activation).square() + target.sigma**2).mean(dim=(0, 2, 3)).diag()
    least = (cov - cov @ torch.linalg.inv(cov + noise) @ cov).diagonal().mean()
    off = (Reader(target, z, lambda: target.release(x))._shrunk(z) - activation).square().mean()
    assert float(off) == pytest.approx(float(least), rel=0.1)


# training


def test_the_average_forgets_its_beginning_and_then_follows_slowly():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, decay=0.9)
    nn.init.ones_(network.weight)
    for _ in range(100):
        average.update(network)
    assert float(average.network.weight) == pytest.approx(1, abs=1e-3)
    nn.init.zeros_(network.weight)
    average.update(network)
    assert float(average.network.weight) == pytest.approx(0.9, abs=1e-3)


def test_the_learning_rate_rises_to_1_stays_and_falls_to_almost_nothing():
    rate = Stable(1000, rise=0.02)
    rates = [rate(step) for step in range(1000)]
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:700] == [1.0] * 680
    assert rates[700:] == sorted(rates[700:], reverse=True)
    assert 0 < rates[0] < 0.1
    assert 0 < rates[-1] < 0.01


def test_a_learning_rate_that_is_told_to_fall_falls_like_that_of_a_shorter_training():
    rate, shorter = Stable(1000), Stable(500)
    rate.fall(350)
    assert [rate(step) for step in range(350, 500)] == [shorter(step) for step in range(350, 500)]
    assert rate(500) == 0


@pytest.mark.parametrize(
    ("validation", "expected"),
    [((1.0, 0.9, 0.8), False), ((1.0, 0.8, 0.799), True), ((1.0, 0.8), False), ((0.8,), False)],
)
def test_training_stalls_when_validation_has_not_fallen_by_half_a_percent_in_its_patience(validation, expected):
    curve = [Point(step=10 * (i + 1), train=0.1, validation=value) for i, value in enumerate(validation)]
    assert _stalled(curve, patience=10) == expected


def test_a_fit_that_does_not_improve_ends_early():
    torch.manual_seed(0)
    target = PureNoise(sigma=0.1, side=8)
    decoder = DecoderXl(**(TINY | {"epochs": 12, "steps": None, "patience": 2, "ssim_share": 0.0}))
    curve = decoder.fit(target, target.sample(160), target.sample(50)).curve
    assert curve[-1].step < 120


@pytest.mark.parametrize("precision", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)])
def test_a_fit_gives_the_same_numbers_for_the_same_seed(precision):
    target = LinearGaussian(sigma=0.1, side=16, precision=precision)

    def reconstructed() -> torch.Tensor:
        decoder = briefly(target, flips=True)
        z = target.mean(torch.full((3, 3, 16, 16), 0.4))
        return torch.cat([decoder.reconstruct(z), decoder.reconstruct_for_ssim(z)])

    first, second = reconstructed(), reconstructed()
    assert torch.equal(first, second)
    assert first.dtype == torch.float32


def test_a_reconstruction_does_not_depend_on_the_images_beside_it():
    target = LinearGaussian(sigma=0.1, side=16)
    decoder = briefly(target)
    z = target.release(target.sample(6).x.float() / 255)
    together = decoder.reconstruct(z)
    alone = torch.cat([decoder.reconstruct(one) for one in z.split(1)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_fit_that_blows_up_is_called_diverged_and_still_answers_with_the_mean_image():
    target = LinearGaussian(sigma=0.1, side=16)
    torch.manual_seed(0)
    decoder = DecoderXl(**(TINY | {"lr": 1e6}))
    fit = decoder.fit(target, target.sample(160), target.sample(20))
    assert fit.verdict == "diverged"
    assert all(map(math.isfinite, fit.details.values()))
    assert float(errors(decoder, target, 200).mean()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, "decoder_xl: width must be >= 1, not 0"),
        ({"blocks": 0}, "blocks must be >= 1, not 0"),
        ({"patch": 0}, "patch must be >= 1, not 0"),
        ({"steps": 1}, "steps must be >= 2, not 1"),
        ({"patience": 0}, "patience must be >= 1, not 0"),
        ({"lr": 0.0}, "lr must be > 0, not 0.0"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\), not 1.0"),
        ({"ssim_share": -0.1}, r"ssim_share must be in \[0, 1\), not -0.1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        DecoderXl(**(SMALL | setting))


def test_it_reconstructs_only_after_its_fit():
    with pytest.raises(RuntimeError, match="decoder_xl: fit it before"):
        DecoderXl(**SMALL).reconstruct(torch.zeros(1, 8, 8, 8))
