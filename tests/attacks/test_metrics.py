"""Scores of a reconstruction: each agrees with scikit-image, and nothing but its definition moves it."""

import numpy
import pytest
import torch
import torchvision
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from attacks import metrics
from attacks.metrics.worst_class import worst_class


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


def test_the_protocol_is_that_of_the_records_there_are():
    assert metrics.protocol_digest() == "5456f931d87b6cabde502e95376dc957a2bfc2c89ba90ea10932814e3eaaa529"


@pytest.mark.parametrize("name", metrics.PROTOCOL)
def test_a_protocol_that_differs_in_anything_has_another_digest(name, monkeypatch):
    before = metrics.protocol_digest()
    monkeypatch.setitem(metrics.PROTOCOL, name, "another")
    assert metrics.protocol_digest() != before


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


# further scores


@pytest.fixture
def many() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reconstructions of mixed quality, images and labels, ``(80, 3, 12, 12)``."""
    torch.manual_seed(0)
    x = torch.nn.functional.interpolate(torch.rand(80, 3, 4, 4), (12, 12), mode="bilinear")
    noise = torch.linspace(0, 6, 80).view(-1, 1, 1, 1) * torch.randn_like(x)
    return (x + noise).clamp(0, 1), x, torch.arange(80) % 7


@pytest.fixture
def others() -> torch.Tensor:
    """As many further images as an extracted one is told from."""
    torch.manual_seed(1)
    return torch.nn.functional.interpolate(torch.rand(metrics.EXTRACTION, 3, 4, 4), (12, 12), mode="bilinear")


def further(
    x_hat: torch.Tensor, x: torch.Tensor, y: torch.Tensor, others: torch.Tensor | None = None
) -> metrics.Further:
    part = None if others is None else torch.cat([x, others])
    return metrics.further(x_hat, x, y, metrics.score(x_hat, x), part=part)


def test_further_scores_are_those_of_the_protocol_and_leave_its_digest(many):
    found = further(*many)
    assert set(found.values) == set(metrics.FURTHER) - {"version"}
    assert set(found.reasons) == {name for name, value in found.values.items() if value is None}
    # records are compared by it
    assert metrics.protocol_digest().startswith("5456f931d87b6cab")


def test_perfect_reconstructions_leak_everything(many, others):
    _, x, y = many
    values, _ = further(x, x, y, others)
    assert [values[name] for name in ("extracted_0.10", "extracted_0.15", "extracted_among_200")] == [1, 1, 1]
    assert [values[name] for name in ("mse_colour_removed", "worst_class_mse", "mse_5th_percentile")] == [0, 0, 0]
    assert values["ssim_above_0.3"] == 1


def test_one_picture_for_all_extracts_nothing(many, others):
    _, x, y = many
    assert further(x.mean(0).expand_as(x), x, y, others).values["extracted_among_200"] == 0


def test_what_is_not_finite_is_null_and_extracts_nothing(many, others):
    x_hat, x, y = many
    values, reasons = further(torch.full_like(x_hat, torch.nan), x, y, others)
    assert values["extracted_0.15"] == values["extracted_among_200"] == 0
    assert values["mse_colour_removed"] is None
    assert reasons["worst_class_mse"] == "a reconstruction is not finite"


def test_further_scores_do_not_depend_on_the_order_or_type_of_images(many):
    x_hat, x, y = many
    x = (x * 255).round().to(torch.uint8)
    order = torch.randperm(len(x))
    scores = metrics.score(x_hat, x / 255)
    shuffled = metrics.PerImage(*(column[order] for column in scores))
    one, two = metrics.further(x_hat, x, y, scores), metrics.further(x_hat[order], x[order] / 255, y[order], shuffled)
    assert one.reasons == two.reasons
    for name, value in one.values.items():
        assert two.values[name] == (value if value is None else pytest.approx(value, abs=1e-6))


def test_further_scores_are_those_of_a_loop_over_images(many, others):
    x_hat, x, y = many
    a, b = x_hat.double().numpy(), x.double().numpy()
    n, every = len(a), numpy.concatenate([b, others.double().numpy()])[: metrics.EXTRACTION]
    distances = numpy.array([[numpy.linalg.norm(a[i] - each) for each in every] for i in range(n)])
    mse = numpy.array([((a[i] - b[i]) ** 2).mean() for i in range(n)])
    flat = [a[i] - a[i].mean((1, 2), keepdims=True) - b[i] + b[i].mean((1, 2), keepdims=True) for i in range(n)]
    around = [numpy.sort(numpy.delete(distances[i], i))[:50].mean() for i in range(n)]
    expected = {
        "mse_colour_removed": numpy.mean([(part**2).mean() for part in flat]),
        "ssim_above_0.3": numpy.mean([float(s) > 0.3 for s in metrics.score(x_hat, x).ssim]),
        "worst_class_mse": worst_class(torch.from_numpy(mse), y).mean,
        "mse_5th_percentile": numpy.percentile(mse, 5),
        "extracted_0.10": numpy.mean([m**0.5 <= 0.10 for m in mse]),
        "extracted_0.15": numpy.mean([m**0.5 <= 0.15 for m in mse]),
        "extracted_among_200": numpy.mean([distances[i, i] / (0.5 * around[i]) < 1 for i in range(n)]),
    }
    values, _ = further(x_hat, x, y, others)
    assert all(0 < expected[name] < 1 for name in expected)
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_a_shade_over_the_whole_image_is_not_in_the_colour_removed_error(many):
    _, x, y = many
    x = 0.5 * x
    values, _ = further(x + torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), x, y)
    assert values["mse_colour_removed"] == pytest.approx(0, abs=1e-7)
    assert values["worst_class_mse"] == pytest.approx(0.14 / 3)


def test_classes_that_no_image_has_are_no_worst_class():
    x = torch.zeros(4, 3, 12, 12)
    x_hat = torch.stack([torch.full((3, 12, 12), value) for value in (0.1, 0.1, 0.3, 0.3)])
    assert further(x_hat, x, torch.tensor([2, 2, 9, 9])).values["worst_class_mse"] == pytest.approx(0.01)
    apart = further(x_hat, x, torch.arange(4))
    assert apart.values["worst_class_mse"] is None
    assert apart.reasons["worst_class_mse"] == "no two images share a class"


def test_the_adaptive_rate_needs_200_images_to_be_told_from(many):
    found = further(*many)
    assert found.values["extracted_among_200"] is None
    assert found.reasons["extracted_among_200"] == "it takes 200 images to be told from, and there are 80"


def test_the_worst_class_is_of_the_means_over_releases(many):
    x_hat, x, y = many
    scores = metrics.score(x_hat, x)
    told = metrics.further(x_hat, x, y, scores, mse_means=2 * scores.mse).values
    assert told["worst_class_mse"] == pytest.approx(2 * worst_class(scores.mse, y).mean)
    assert told["mse_5th_percentile"] == metrics.further(x_hat, x, y, scores).values["mse_5th_percentile"]


def test_further_scores_refuse_labels_of_other_images(many):
    x_hat, x, y = many
    with pytest.raises(ValueError, match="79 labels do not agree"):
        metrics.further(x_hat, x, y[1:], metrics.score(x_hat, x))


def test_lpips_without_its_weights_says_which_file_it_needs(many, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = further(*many)
    assert found.values["lpips"] is None
    assert "alexnet-owt-7be5be79.pth" in found.reasons["lpips"]
    assert "torch hub's cache (TORCH_HOME)" in found.reasons["lpips"]
    assert str(tmp_path) not in found.reasons["lpips"]


def test_lpips_with_torn_weights_is_a_reason_and_no_error(many, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    x_hat, x, y = (part[:60] for part in many)
    x_hat, x = (torch.nn.functional.interpolate(part, 32) for part in (x_hat, x))
    for torn in (whole, whole[: len(whole) // 2], b"torn", b""):
        (folder / "alexnet-owt-7be5be79.pth").write_bytes(torn)
        found = further(x_hat, x, y)
        assert found.values["lpips"] is None
        assert "is alexnet-owt-7be5be79.pth in torch hub's cache (TORCH_HOME) whole?" in found.reasons["lpips"]


@pytest.mark.slow
def test_lpips_with_its_weights_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    weights = torchvision.models.alexnet(weights=None).state_dict()
    torch.save(weights, tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth")
    x, y = torch.rand(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64)
    assert further(x, x, y).values["lpips"] == 0
    assert further(torch.rand(4, 3, 32, 32), x, y).values["lpips"] > 0
    small = x[:, :, :28, :28]
    assert further(small, small, y).reasons["lpips"] == "it takes images of 31 pixels and more on a side"
