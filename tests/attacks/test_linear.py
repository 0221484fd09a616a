"""The linear attack is the best there is where the truth is linear, and the least that a decoder must reach."""

import pytest
import torch

from attacks import linear, ridge
from attacks.likelihood import expected_point
from attacks.linear import Linear
from attacks.testproblems import LinearGaussian
from defenses.rounding import Rounding


def test_of_a_linear_client_and_gaussian_images_it_comes_within_two_percent_of_the_least_error():
    torch.manual_seed(0)
    for sigma in (0.02, 0.2):
        target = LinearGaussian(sigma=sigma, side=8)
        attack = Linear(draws=8)
        fit = attack.fit(target, target.sample(4000), target.sample(500))
        x = target.sample(4000).x.float() / 255
        errors = (attack.reconstruct(target.release(x)) - x).square().flatten(1).mean(1)
        sampling = float(errors.std()) / len(errors) ** 0.5
        assert target.least_error() - 4 * sampling < float(errors.mean()) < 1.02 * target.least_error() + 4 * sampling
        assert fit.verdict == "open"
        assert set(fit.course.errors) == {0.125, 0.25, 0.5, 1.0}
        assert [point.step for point in fit.curve] == [1, 2, 4, 8]


def test_features_that_say_nothing_leave_the_mean_image():
    torch.manual_seed(0)
    target = LinearGaussian(sigma=0.0, side=8)
    target.weight.zero_()
    attack = Linear(draws=1)
    aux = target.sample(200)
    attack.fit(target, aux, target.sample(50))
    found = attack.reconstruct(target.release(target.sample(3).x.float() / 255))
    assert torch.allclose(found, (aux.x.float().mean(0) / 255).expand_as(found), atol=1e-6)


@pytest.mark.parametrize("num_images", [30, 400])
def test_with_more_features_than_it_solves_for_it_says_the_same_by_its_releases(monkeypatch, num_images):
    found = []
    for most in (4096, 0):
        monkeypatch.setattr(linear, "MOST_FEATURES", most)
        torch.manual_seed(0)
        target, attack = LinearGaussian(sigma=0.1, side=8), Linear(draws=2)
        aux, val = target.sample(num_images), target.sample(50)
        curve = attack.fit(target, aux, val).curve
        found.append((attack.reconstruct(target.release(val.x / 255)), curve[-1].validation))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=0)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)


def test_of_too_many_releases_it_takes_what_there_is_room_for_and_says_where_it_stopped(monkeypatch):
    monkeypatch.setattr(linear, "MOST_FEATURES", 0)
    monkeypatch.setattr(ridge, "MOST_RELEASES", 250)
    torch.manual_seed(0)
    target, attack = LinearGaussian(sigma=0.1, side=8), Linear(draws=16)
    fit = attack.fit(target, target.sample(100), target.sample(50))
    assert [point.step for point in fit.curve] == [1, 2, 3]
    assert list(fit.course.errors) == [1 / 3, 2 / 3, 1.0]
    assert [len(each) for each in attack.weight] == [32, 250]


class Rounded(LinearGaussian):
    """Rounds what it releases."""

    def release(self, x, m=1):
        with torch.no_grad():
            z = self.defense(self.mean(x))
            return z + self.sigma * torch.randn_like(z)


def test_behind_rounding_it_reads_cells_and_does_better_than_by_the_noisy_values():
    errors = []
    for tells in (True, False):
        torch.manual_seed(0)
        target, attack = Rounded(sigma=0.02, side=8), Linear(draws=4)
        target.defense = Rounding(0.1) if tells else torch.nn.Sequential(Rounding(0.1))
        attack.fit(target, target.sample(2000), target.sample(300))
        x = target.sample(1000).x / 255
        errors.append(float((attack.reconstruct(target.release(x)) - x).square().mean()))
    assert errors[0] < 0.96 * errors[1]


def test_the_expected_cell_is_the_one_released_where_noise_is_small_and_the_release_where_it_is_large():
    cells = 0.1 * torch.arange(-3, 4)
    assert torch.allclose(expected_point(cells + 0.02, 0.1, 0.01), cells, atol=1e-3)
    assert torch.equal(expected_point(cells + 0.02, 0.1, 0.05), cells + 0.02)
    # half way it is neither
    assert torch.allclose(expected_point(cells + 0.05, 0.1, 0.02), cells + 0.05, atol=1e-6)
    line = torch.linspace(-0.3, 0.3, 1001)
    assert (expected_point(line, 0.1, 0.03).diff() > 0).all()
