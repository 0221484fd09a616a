"""Repeated queries: m releases of an image equal one with noise less by the root of m."""

import math

import pytest
import torch
from torch import nn

from attacks.averaged import Averaged, averaged
from attacks.base import Fit, Point
from attacks.decoder import Decoder
from attacks.decoder_xl import DecoderXl
from attacks.joint import laplace_location
from attacks.likelihood import log_laplace
from attacks.repeated import Repeated
from attacks.testproblems import LinearGaussian
from defenses.base import Defense, Shapes
from defenses.dropout import Dropout
from defenses.laplace import Laplace, laplace_like
from defenses.local_dp import LocalDP
from defenses.nopeek import NoPeek
from defenses.shredder import Shredder

SMALL = {"inner": "decoder_xl", "budget": "quick", "steps": 150, "most": 16}


class Counting(LinearGaussian):
    """Counts the images that its client has seen."""

    seen = 0

    def mean(self, x):
        self.seen += len(x)
        return super().mean(x)

    def noise_std(self, z):
        return torch.full_like(z, 0.8)


class Constant(Decoder):
    """Says the same of every release."""

    def __init__(self):
        super().__init__(**Decoder.budgets["quick"])

    def fit(self, target, aux, val):
        return Fit(curve=(Point(1, 1.0, 1.0),), verdict="limited")

    def reconstruct(self, z):
        return torch.zeros(len(z), 3, 16, 16)


# the mean of releases


@pytest.mark.parametrize("m", [1, 4, 16, 64])
def test_the_mean_of_m_releases_is_one_release_at_sigma_over_the_root_of_m(m):
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.8, side=16)
    averaged = Averaged(target, m)
    x = target.sample(200).x.float() / 255
    noise = averaged.release(x) - target.mean(x)
    assert averaged.sigma == pytest.approx(0.8 / math.sqrt(m))
    assert float(noise.std()) == pytest.approx(averaged.sigma, rel=0.02)
    assert abs(float(noise.mean())) < 4 * averaged.sigma / math.sqrt(noise.numel())


def test_independent_means_are_independent():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.8, side=16)
    x = target.sample(50).x.float() / 255
    noise = Averaged(target, 4).release(x, m=8) - target.mean(x)
    assert noise.shape == (8, 50, 8, 4, 4)
    assert float(noise.std()) == pytest.approx(0.4, rel=0.02)
    assert float(noise.mean(dim=0).std()) == pytest.approx(0.4 / math.sqrt(8), rel=0.05)


def test_images_released_in_several_parts_keep_their_order(monkeypatch):
    monkeypatch.setattr("attacks.averaged.MOST_VALUES", 2000)
    target = LinearGaussian(sigma=1e-4, side=16)
    x = target.sample(20).x.float() / 255
    assert torch.allclose(Averaged(target, 4).release(x, m=2), target.mean(x).expand(2, -1, -1, -1, -1), atol=1e-3)


def test_the_client_runs_once_however_many_releases():
    target = Counting(sigma=0.8, side=16)
    Averaged(target, 64).release(torch.rand(10, 3, 16, 16), m=3)
    assert target.seen == 10


def test_the_defenses_own_noise_is_averaged_too_and_the_rest_is_the_targets():
    target = Counting(sigma=0.6, side=16)
    averaged = Averaged(target, 4)
    x = torch.rand(3, 3, 16, 16)
    z = averaged.release(x)
    assert torch.allclose(torch.as_tensor(averaged.noise_std(z)), torch.tensor(0.4))
    # both noises together are of sigma .5, and a release that hits the mean leaves only log sigma
    assert float(averaged.surprise(x, averaged.mean(x))[0]) == pytest.approx(128 * math.log(0.5), rel=1e-4)
    assert averaged.defense is target.defense
    assert averaged.server(z).shape == (3, 1)


class Hiding(LinearGaussian):
    """Hides each feature of a release with probability .4; what it shows is .5 everywhere."""

    def __init__(self, sigma: float) -> None:
        super().__init__(sigma=sigma, side=16)
        self.defense = nn.Identity()
        self.defense.masks = True

    def mean(self, x):
        return torch.full((len(x), *self.activation_shape), 0.5)

    def release(self, x, m=1):
        z = self.mean(x).expand(m, len(x), *self.activation_shape)
        z = z * (torch.rand(z.shape) >= 0.4) + self.sigma * torch.randn(z.shape)
        return z[0] if m == 1 else z


@pytest.mark.parametrize(("sigma", "most"), [(0.01, 0.004), (0.1, 0.04)])
def test_of_values_that_are_hidden_now_and_then_those_shown_are_averaged(sigma, most):
    torch.manual_seed(0)
    target = Hiding(sigma)
    x = torch.zeros(40, 3, 16, 16)
    assert float((averaged(target.release(x, 16), target) - 0.5).square().mean().sqrt()) < most
    assert float((Averaged(target, 16).release(x) - 0.5).square().mean().sqrt()) < most
    assert float((target.release(x, 16).mean(0) - 0.3).std()) > 0.05


# what releases with another noise come to


class Noisy(LinearGaussian):
    """A linear client behind a defense."""

    def __init__(self, defense: Defense, sigma: float) -> None:
        super().__init__(sigma=sigma, side=16)
        self.defense = defense
        defense.attach(nn.Identity(), Shapes(self.image_shape, self.activation_shape, num_classes=4))

    def activation(self, x):
        return LinearGaussian.mean(self, x)

    def mean(self, x):
        return self.defense.mean(self.activation(x))

    def release(self, x, m=1):
        with torch.no_grad():
            z = self.activation(x)
            z = torch.stack([self.defense(z) + self.sigma * torch.randn_like(z) for _ in range(m)])
            return z[0] if m == 1 else z


def missed(target: Noisy, m: int) -> tuple[float, float]:
    """Mean squared error of what m releases come to, and of their mean."""
    torch.manual_seed(0)
    x = target.sample(60).x / 255
    z, truth = target.release(x, m), target.mean(x)
    return tuple(float((found - truth).square().mean().detach()) for found in (averaged(z, target), z.mean(0)))


@pytest.mark.parametrize("m", [4, 16])
@pytest.mark.parametrize(("scale", "sigma"), [(0.1, 0.02), (0.1, 0.1), (0.05, 0.3), (1e-6, 0.1)])
def test_laplace_releases_come_to_where_they_are_likeliest(scale, sigma, m):
    torch.manual_seed(0)
    z = 0.5 + scale * laplace_like(torch.zeros(m, 100)) + sigma * torch.randn(m, 100)
    found = laplace_location(z, scale, sigma)

    def likelihood(location):
        return log_laplace(z, location, scale, sigma).sum(0)

    line = torch.linspace(-3, 3, 601)[:, None] * math.hypot(scale, sigma)
    best = torch.stack([likelihood(location) for location in z.mean(0) + line]).amax(0)
    assert float((best - likelihood(found)).max()) < 0.01


@pytest.mark.parametrize("defense", [Laplace(0.1), LocalDP(10.0, "laplace")])
def test_without_channel_noise_laplace_releases_come_to_half_the_variance_of_their_mean(defense):
    # of m releases the mean has 2 b^2 / m, the likeliest location b^2 / m as m grows
    likeliest, mean = missed(Noisy(defense, sigma=0.0), 64)
    assert mean == pytest.approx(2 * 0.1**2 / 64, rel=0.1)
    assert likeliest == pytest.approx(0.1**2 / 64, rel=0.25)


def test_each_release_is_told_its_member_of_shredders_collection():
    torch.manual_seed(1)
    shredder = Shredder(lam=0.03, members=8, scale=0.1)
    target = Noisy(shredder, sigma=0.02)
    shredder.location.data *= 10
    likeliest, mean = missed(target, 4)
    # were the members told: four releases of Laplace noise of scale .1 with Gaussian noise of .02
    z = 0.1 * laplace_like(torch.zeros(4, 20_000)) + 0.02 * torch.randn(4, 20_000)
    told = float(laplace_location(z, 0.1, 0.02).square().mean())
    assert likeliest == pytest.approx(told, rel=0.05)
    assert likeliest < 0.05 * mean


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("defense", [Shredder(members=4), Laplace(0.1), Dropout(0.3), NoPeek()])
def test_groups_of_releases_come_to_what_each_comes_to_by_itself(defense, m):
    target = Noisy(defense, sigma=0.1)
    x = target.sample(5).x.float() / 255
    torch.manual_seed(3)
    together = Averaged(target, 4).release(x, m)
    torch.manual_seed(3)
    releases = target.release(x, 4 * m)
    apart = torch.stack([averaged(releases[4 * i : 4 * (i + 1)], target) for i in range(m)])
    assert together.shape == (apart if m > 1 else apart[0]).shape
    torch.testing.assert_close(together, apart if m > 1 else apart[0])


@pytest.mark.parametrize("budget", ["quick", "standard", "strong"])
def test_a_budget_repeats_the_network_of_its_own_name(budget):
    attack = Repeated(**Repeated.budgets[budget])
    sizes = ("width", "blocks", "attention")
    for inner in attack.attacks.values():
        assert {name: getattr(inner, name) for name in sizes} == {
            name: DecoderXl.budgets[budget][name] for name in sizes
        }


# the attack


def images_and_error(target: LinearGaussian, attack, m: int) -> tuple[float, float]:
    """The mean squared error on fresh images, and its sampling error."""
    torch.manual_seed(5)
    x = target.sample(1500).x.float() / 255
    per_image = (attack.reconstruct(target.release(x, m)) - x).square().mean(dim=(1, 2, 3))
    return float(per_image.mean()), float(per_image.std()) / math.sqrt(len(per_image))


def fitted(side: int, steps: int, num_val: int) -> tuple[LinearGaussian, Repeated, Fit]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.28, side=side)
    attack = Repeated(**(SMALL | {"steps": steps}))
    return target, attack, attack.fit(target, target.sample(640), target.sample(num_val))


@pytest.fixture(scope="module")
def repeated():
    return fitted(side=8, steps=100, num_val=300)


@pytest.fixture(scope="module")
def thoroughly():
    """The same of larger images, for longer."""
    return fitted(side=16, steps=150, num_val=100)


@pytest.mark.slow
def test_m_releases_equal_one_at_sigma_over_the_root_of_m(thoroughly):
    target, attack, _ = thoroughly
    single = LinearGaussian(sigma=0.28 / 4, side=16)
    torch.manual_seed(1)
    decoder = DecoderXl(**(DecoderXl.budgets["quick"] | {"steps": 70, "ssim_share": 0.0}))
    decoder.fit(single, single.sample(640), single.sample(100))
    error, sampling = images_and_error(target, attack, m=16)
    expected, other = images_and_error(single, decoder, m=1)
    # beside sampling: one network for all numbers is up to a tenth worse than one for this number alone
    assert error == pytest.approx(expected, abs=4 * math.hypot(sampling, other) + 0.1 * expected)
    assert error >= single.least_error() - 4 * sampling


def test_each_further_release_lessens_the_error(repeated):
    target, attack, fit = repeated
    found = [images_and_error(target, attack, m)[0] for m in attack.releases]
    assert attack.releases == (1, 4, 16)
    assert found == sorted(found, reverse=True)
    assert found[2] < 0.7 * found[0]
    for m, error in zip(attack.releases, found, strict=True):
        assert fit.details[f"validation_m{m}"] == pytest.approx(error, rel=0.05)


@pytest.mark.slow
def test_fewer_releases_lend_their_fit_where_the_own_one_is_worse(thoroughly):
    target, attack, fit = thoroughly
    assert all(fit.details[f"fitted_to_m{m}"] == attack.fitted_to[m] == m for m in (4, 16))
    torch.manual_seed(0)
    spoilt = Repeated(**(SMALL | {"inner": "decoder", "steps": 40}))
    spoilt.attacks[16] = Constant()
    details = spoilt.fit(target, target.sample(160), target.sample(200)).details
    assert spoilt.fitted_to[16] in (1, 4)
    assert details["validation_m16"] < details["validation_m1"]
    z = target.release(target.sample(3).x.float() / 255, 16)
    assert torch.equal(spoilt.reconstruct(z), spoilt.attacks[spoilt.fitted_to[16]].reconstruct(z.mean(dim=0)))


def test_one_network_serves_all_numbers_of_releases_and_is_told_which(repeated):
    target, attack, _ = repeated
    assert len({id(inner.network) for inner in attack.attacks.values()}) == 1
    # told the noise of a single release, it does worse by the mean of sixteen
    torch.manual_seed(5)
    x = target.sample(500).x.float() / 255
    z = averaged(target.release(x, 16), target)
    own, other = ((attack.attacks[m].reconstruct(z) - x).square().mean() for m in (16, 1))
    assert own < 0.9 * other


def test_verdict_and_curve_are_those_of_a_single_release(repeated):
    _, _, fit = repeated
    assert fit.curve[-1].validation == fit.details["validation_m1"]
    assert fit.verdict == "open"


def test_another_number_of_releases_is_refused(repeated):
    with pytest.raises(ValueError, match=r"reconstructs from \[1, 4, 16\] releases, not from 5"):
        repeated[1].reconstruct(torch.zeros(5, 2, 8, 4, 4))


def test_the_published_decoder_can_be_repeated_too():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.1, side=16)
    attack = Repeated(inner="decoder", budget="quick", steps=4, most=4)
    fit = attack.fit(target, target.sample(40), target.sample(10))
    assert set(fit.details) == {"validation_m1", "validation_m4", "fitted_to_m4"}
    x = target.sample(5).x.float() / 255
    assert attack.reconstruct(target.release(x, 4)).shape == x.shape


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("sigma", "most"), [(0.08, 1.08), (0.28, 1.05), (1.0, 1.05)])
def test_16_releases_come_near_the_least_error_of_a_quarter_of_the_noise(sigma, most):
    torch.manual_seed(0)
    target = LinearGaussian(sigma=sigma, side=16)
    attack = Repeated(**(SMALL | {"steps": 500}))
    attack.fit(target, target.sample(6400), target.sample(300))
    error, sampling = images_and_error(target, attack, m=16)
    least = LinearGaussian(sigma=sigma / 4, side=16).least_error()
    assert least - 4 * sampling <= error <= most * least + 4 * sampling


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"inner": "dip"}, r"repeated: inner takes \['decoder', 'decoder_xl'\], not 'dip'"),
        ({"budget": "huge"}, r"budget takes \['quick', 'standard', 'strong'\], not 'huge'"),
        ({"steps": 1}, "steps must be >= 2, not 1"),
        ({"most": 5}, r"most takes \[1, 4, 16, 64\], not 5"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Repeated(**(SMALL | setting))


def test_it_reconstructs_only_after_its_fit():
    with pytest.raises(RuntimeError, match="fit it before"):
        Repeated(**SMALL).reconstruct(torch.zeros(1, 8, 8, 8))


def test_the_network_under_attack_is_handed_on():
    class Held(LinearGaussian):
        def modules(self):
            return nn.Identity(), nn.Flatten()

    assert isinstance(Averaged(Held(sigma=0.1), 4).modules()[1], nn.Flatten)
