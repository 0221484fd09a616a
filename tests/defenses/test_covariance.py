"""The yardstick of full covariances within classes: known information, held to on features that repeat one another."""

import math
import time

import pytest
import torch
from torch import Tensor

from defenses import covariance
from defenses.covariance import _twice_log_density
from defenses.diagnostics import diagnose

CLASSES, SIGMA = 4, 0.1


def correlated(count: int, features: int = 64, shared: int = 4) -> tuple[Tensor, Tensor, float]:
    """Features of four classes that share few directions, their labels, and what they tell through the noise, nats."""
    torch.manual_seed(0)
    y, mixing = torch.arange(count) % CLASSES, 0.3 * torch.randn(shared, features)
    z = torch.randn(count, shared) @ mixing + 0.02 * torch.randn(count, features) + torch.randn(CLASSES, features)[y]
    within = (mixing.mT @ mixing + 0.02**2 * torch.eye(features)).double()
    truth = torch.linalg.slogdet(torch.eye(features).double() + within / SIGMA**2).logabsdet / 2
    return z.view(count, features, 1, 1), y, float(truth)


def test_it_knows_that_features_repeat_one_another_where_the_others_count_each_by_itself():
    z, y, truth = correlated(2000)
    found = diagnose(z, y, SIGMA)
    assert truth < found["covariance_nats"] < 1.15 * truth
    assert found["covariance_nats_per_feature"] == pytest.approx(found["covariance_nats"] / 64)
    assert min(found["mixture_nats"], found["class_gaussian_nats"]) > 3 * truth


@pytest.mark.parametrize("count", [24, 100, 400])
def test_few_images_loosen_it_and_never_take_it_below_the_truth(count):
    z, y, truth = correlated(count)
    assert diagnose(z, y, SIGMA)["covariance_nats"] > 0.98 * truth


def test_more_images_tighten_it():
    told = [diagnose(*correlated(count)[:2], SIGMA)["covariance_nats"] for count in (40, 200, 1000)]
    assert told == sorted(told, reverse=True)


def test_as_few_equations_as_images_say_the_same_as_as_many_as_features():
    torch.manual_seed(0)
    rows, apart = torch.randn(6, 6).double(), torch.randn(5, 9).double()
    rows = torch.cat([rows, torch.zeros(6, 3)], dim=1)  # six images of nine features: by images
    by_images = _twice_log_density(rows, apart, 0.3)
    padded = torch.cat([rows, torch.zeros(6, 9)])  # as many, and as much in them: by features
    torch.testing.assert_close(_twice_log_density(padded, apart, 0.3), by_images)
    diagonal = rows.square().sum(0)
    total = 0.7 * rows.mT @ rows + torch.diag(1 + 0.3 * diagonal)
    law = torch.distributions.MultivariateNormal(torch.zeros(9).double(), total)
    torch.testing.assert_close(by_images, 2 * law.log_prob(apart) + 9 * math.log(2 * math.pi))


@pytest.mark.slow
def test_a_trial_s_worth_of_it_takes_under_five_seconds():
    torch.manual_seed(0)
    z, e = 3 * torch.rand(1000, 512), torch.randn(1000, 512)
    y = torch.arange(1000) % 10
    begun = time.process_time()
    for _ in range(2):
        covariance.charged(z, y, z, e, y, 10)
    assert time.process_time() - begun < 5
