"""Random numbers of each image's own: what they depend on, and what not."""

import torch

from attacks.own_noise import OwnNoise, _mixed


def test_its_bits_are_those_of_splitmix64():
    # the generator's first number from the seed 1234567, as its author's own program prints it
    step = 0x9E3779B97F4A7C15 - 2**64
    assert int(_mixed(torch.tensor([1234567 + step]))) == 6457827717110365317


def test_numbers_are_standard_normal_and_nothing_is_common_to_two_images_or_two_draws():
    torch.manual_seed(0)
    own = OwnNoise(torch.randn(40, 8, 4, 4), 1)
    first, second = own.normal(3, 1000).flatten(1), own.normal(3, 1000).flatten(1)
    assert first.shape == (40, 3000)
    assert abs(float(first.mean())) < 4 / 120_000**0.5
    assert abs(float(first.var()) - 1) < 4 * (2 / 120_000) ** 0.5
    assert abs(float(first.pow(4).mean()) - 3) < 4 * (96 / 120_000) ** 0.5
    inside = float((first.abs() < 1).double().mean())
    assert abs(inside - 0.6827) < 4 * (0.6827 * 0.3173 / 120_000) ** 0.5
    both = torch.cat([first, second]).double()
    correlation = torch.corrcoef(both) - torch.eye(80)
    assert correlation.abs().max() < 5.5 / 3000**0.5


def test_an_images_numbers_do_not_depend_on_those_beside_it_nor_on_unit_and_level():
    torch.manual_seed(0)
    z = torch.relu(torch.randn(6, 8, 4, 4))
    own, alone, moved = OwnNoise(z, 1), OwnNoise(z[2:4], 1), OwnNoise(1e3 * z + 0.5, 1)
    for _ in range(2):
        drawn = own.normal(5)
        assert torch.equal(drawn[2:4], alone.normal(5))
        assert torch.equal(drawn, moved.normal(5))


def test_another_seed_or_another_release_gives_other_numbers():
    torch.manual_seed(0)
    z = torch.randn(2, 8, 4, 4)
    assert not torch.isclose(OwnNoise(z, 1).normal(50), OwnNoise(z, 2).normal(50)).any()
    drawn = OwnNoise(z + 0.5 * torch.randn_like(z), 1).normal(50)
    assert not torch.isclose(drawn, OwnNoise(z, 1).normal(50)).any()


def test_uniform_numbers_are_uniform():
    drawn = OwnNoise(torch.rand(20, 1, 4, 4), 3).uniform(1000)
    assert drawn.abs().max() <= 1
    assert abs(float(drawn.mean())) < 4 * (1 / 3 / 20_000) ** 0.5
    assert abs(float(drawn.square().mean()) - 1 / 3) < 4 * (4 / 45 / 20_000) ** 0.5
