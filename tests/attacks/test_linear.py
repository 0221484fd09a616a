"""The linear attack is the best there is where the truth is linear, and the least that a decoder must reach."""

import pytest
import torch

from attacks import linear, ridge
from attacks.linear import Linear
from attacks.testproblems import LinearGaussian


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
    assert [len(each) for each in attack.weight] == [32, 250]
