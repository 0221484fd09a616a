"""The spectrum of images: what their covariance says."""

import pytest
import torch

from harness.data.spectrum import MOST, spectrum


def test_it_is_that_of_the_covariance_the_greatest_first():
    x = torch.randint(0, 256, (200, 1, 2, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = spectrum(x)
    expected = torch.linalg.eigvalsh(torch.cov((x.flatten(1).double() / 255).T)).flip(0)
    assert found == pytest.approx(expected.tolist(), rel=1e-5)


def test_of_fewer_images_than_pixels_it_has_what_these_can_tell():
    x = torch.randint(0, 256, (5, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = spectrum(x)
    assert len(found) == 4
    assert sum(found) == pytest.approx(float((x.flatten(1).double() / 255).var(0).sum()), rel=1e-5)


def test_one_image_tells_nothing_and_of_very_many_the_first_are_taken():
    x = torch.randint(0, 256, (MOST + 50, 1, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert spectrum(x[:1]) == ()
    assert spectrum(x) == spectrum(x[:MOST])
