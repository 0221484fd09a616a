"""Scores of a reconstruction: each agrees with scikit-image, and nothing but its definition moves it."""

import numpy
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from attacks import metrics


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstructions and images, smooth enough to be alike, ``(6, 3, 32, 40)``."""
    torch.manual_seed(0)
    x = torch.nn.functional.interpolate(torch.rand(6, 3, 8, 10), (32, 40), mode="bilinear")
    return (x + 0.1 * torch.randn_like(x)).clamp(0, 1), x


def test_an_image_is_its_own_best_reconstruction(images):
    _, x = images
    scores = metrics.score(x, x)
    assert torch.equal(scores.mse, torch.zeros(6))
    assert torch.allclose(scores.ssim, torch.ones(6))
    assert torch.equal(scores.psnr, torch.full((6,), 100.0))


def test_ssim_is_scikit_image_s_without_its_border(images):
    def expected(left, right):
        _, windows = structural_similarity(
            left, right, channel_axis=0, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True
        )
        return windows[:, 5:-5, 5:-5].mean()

    x_hat, x = images
    of_scikit_image = [expected(*pair) for pair in zip(x_hat.double().numpy(), x.double().numpy(), strict=True)]
    assert metrics.score(x_hat, x).ssim.numpy() == pytest.approx(numpy.array(of_scikit_image), abs=1e-5)


def test_psnr_is_the_mean_over_images_not_that_of_the_mean(images):
    x_hat, x = images
    x_hat[0] = x[0] + 0.001
    scores = metrics.score(x_hat, x)
    expected = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1.0) for a, b in zip(x_hat, x, strict=True)]
    assert metrics.means(scores)["psnr"] == pytest.approx(float(numpy.mean(expected)), abs=1e-2)
    assert metrics.means(scores)["psnr"] > -10 * float(scores.mse.mean().log10()) + 1


def test_scores_do_not_depend_on_the_chunk_or_on_values_outside_the_range(images):
    x_hat, x = images
    whole, chunked = metrics.score(x_hat, x), metrics.score(x_hat, x, chunk=4)
    beyond = metrics.score(torch.where(x_hat == 1, 3.0, x_hat), x)
    for name in whole._fields:
        assert torch.allclose(getattr(whole, name), getattr(chunked, name), atol=1e-6)
        assert torch.allclose(getattr(whole, name), getattr(beyond, name), atol=1e-6)


def test_scores_refuse_images_of_another_shape(images):
    x_hat, x = images
    with pytest.raises(ValueError, match="must have one shape"):
        metrics.score(x_hat[:1], x)


def test_the_digest_is_of_the_protocol_as_it_is_computed():
    assert len(metrics.protocol_digest()) == 64
    assert metrics.protocol_digest() == metrics.protocol_digest()
    protocol = metrics.PROTOCOL
    assert (protocol["ssim_window"], protocol["ssim_sigma"]) == (metrics._WINDOW, metrics._SIGMA)
    assert (protocol["ssim_k1"], protocol["ssim_k2"]) == (metrics._K1, metrics._K2)
    assert protocol["mse_floor"] == metrics._MSE_FLOOR


def test_zero_padded_windows_are_those_of_a_padded_convolution(images):
    x_hat, x = (_bytes(part) for part in images)
    grid = torch.arange(-5, 6, dtype=torch.float64)
    line = torch.exp(-(grid**2) / (2 * 1.5**2))
    window = torch.outer(line, line) / line.sum() ** 2

    def blur(part):
        return torch.nn.functional.conv2d(part, window.expand(3, 1, 11, 11), padding=5, groups=3)

    a, b = (torch.from_numpy(part).double() / 255 for part in (x_hat, x))
    covariance, variances = blur(a * b) - blur(a) * blur(b), blur(a * a) + blur(b * b) - blur(a) ** 2 - blur(b) ** 2
    luminance = (2 * blur(a) * blur(b) + 1e-4) / (blur(a) ** 2 + blur(b) ** 2 + 1e-4)
    expected = float((luminance * (2 * covariance + 9e-4) / (variances + 9e-4)).mean())
    assert metrics.conversions(x_hat, x)["ssim_zero_padded"] == pytest.approx(expected, abs=1e-9)


def test_conversions_differ_from_the_protocol_and_are_one_for_equal_images(images):
    x_hat, x = (_bytes(part) for part in images)
    ours = metrics.means(metrics.score(*images))["ssim"]
    converted = metrics.conversions(x_hat, x)
    assert set(converted) == {"ssim_zero_padded", "ssim_skimage_default"}
    assert all(abs(value - ours) > 1e-3 for value in converted.values())
    assert metrics.conversions(x, x) == pytest.approx({"ssim_zero_padded": 1, "ssim_skimage_default": 1})


def _bytes(images: torch.Tensor) -> numpy.ndarray:
    return (images * 255).round().to(torch.uint8).numpy()
