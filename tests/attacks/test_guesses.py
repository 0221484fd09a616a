"""Guesses without z and yardsticks: what each is, on images small enough to see."""

import pytest
import torch

from attacks import guesses


@pytest.fixture
def x() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(40, 3, 5, 7)


def test_no_single_image_is_a_better_guess_than_the_mean_image(x):
    mean = guesses.mean_image(x)
    assert mean.shape == (1, 3, 5, 7)
    best = (x - mean).square().mean()
    assert all(best <= (x - other).square().mean() for other in (*x, mean + 0.01, mean - 0.01))


def test_the_mean_image_of_bytes_is_in_their_unit():
    assert guesses.mean_image(torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)).item() == 127.5


def test_class_means_are_means_of_classes_and_the_mean_image_where_there_is_none(x):
    y = torch.arange(40) % 4
    means = guesses.class_mean(x, y, num_classes=6)
    assert means.shape == (6, 3, 5, 7)
    for label in range(4):
        assert torch.allclose(means[label], x[y == label].mean(dim=0), atol=1e-6)
    for label in (4, 5):
        assert torch.allclose(means[label], x.mean(dim=0), atol=1e-6)


def test_the_mean_colour_is_flat_and_the_best_flat_image(x):
    flat = guesses.mean_colour(x)
    assert flat.shape == x.shape
    assert torch.equal(flat, flat[:, :, :1, :1].expand_as(x))
    assert (x - flat).square().mean() < (x - flat - 0.01).square().mean()
    assert (x - flat).square().mean() < (x - flat + 0.01).square().mean()


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_the_nearest_image_is_the_one_of_the_nearest_release(x, chunk):
    z_aux = torch.randn(40, 2, 3, 3)
    z = torch.randn(25, 2, 3, 3)
    nearest = torch.cdist(z.flatten(1), z_aux.flatten(1)).argmin(dim=1)
    assert torch.equal(guesses.nearest(z, z_aux, x, chunk=chunk), x[nearest])


def test_an_image_that_the_attacker_has_is_found_again(x):
    z = torch.randn(40, 2, 3, 3)
    assert torch.equal(guesses.nearest(z + 1e-4 * torch.randn_like(z), z, x), x)
