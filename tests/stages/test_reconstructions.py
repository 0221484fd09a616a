"""What a scoring rests on: releases of each image, seeds of the attack's own, errors clustered by image."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attacks.base import Attack, Fit, Images, Target
from attacks.metrics import PerImage
from defenses.base import Defense
from harness.data import Part
from harness.models import LiveTarget
from harness.models.split import SplitModel
from harness.stages.measuring import activations, release_errors, releases, standard_errors
from harness.stages.reconstructions import Seeds, reconstructed

SEEDS = Seeds(trial=1, job=2)
SIGMA = 0.2


class Reading(Attack):
    """Reads an identity client's release as it is; with noise of its own if told so."""

    def __init__(self, images: int | None = None, own: float = 0.0) -> None:
        self.images, self.own = images, own

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        raise NotImplementedError

    def reconstruct(self, z: Tensor) -> Tensor:
        return z + self.own * torch.randn_like(z)


class Sharper(Reading):
    """Its reconstruction for ssim is another one."""

    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        return 0.5 + (z - 0.5) / 2


@pytest.fixture(scope="module")
def target() -> LiveTarget:
    client = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.eye_(client.weight[:, :, 0, 0])
    model = SplitModel(client=client, server=nn.Flatten(), defense=Defense(), sigma=SIGMA)
    return LiveTarget(model, (3, 12, 12), 2, torch.float32)


@pytest.fixture(scope="module")
def part() -> Part:
    torch.manual_seed(0)
    x = (255 * (0.4 + 0.2 * torch.rand(60, 3, 12, 12))).to(torch.uint8)
    return Part(name="validation", x=x, y=torch.arange(60) % 2, digest="")


def test_an_attack_that_costs_little_an_image_is_scored_on_five_releases_and_a_costly_one_on_one():
    assert Reading().scored_releases == 5
    assert Reading(images=32).scored_releases == 1


def test_scores_are_means_over_releases_and_the_first_release_is_the_one_that_all_attacks_see(target, part):
    found, single = (reconstructed(Reading(), target, part, SEEDS, count) for count in (5, 1))
    assert found.by_release.mse.shape == (5, 60)
    torch.testing.assert_close(found.per_image.mse, found.by_release.mse.mean(0))
    assert torch.equal(found.first.mse, single.per_image.mse)
    assert torch.equal(found.x_hat, single.x_hat)
    assert torch.equal(releases(target, part, SEEDS.trial), releases(target, part, SEEDS.trial, number=0))
    # independent: no release is another one's, and the noise of two has nothing in common
    noise = torch.stack([releases(target, part, 1, number=number) - part.x.float() / 255 for number in range(5)])
    correlation = torch.corrcoef(noise.flatten(1)) - torch.eye(5)
    assert correlation.abs().max() < 4 / noise[0].numel() ** 0.5


def test_the_client_runs_once_for_all_releases_of_an_image_and_gives_the_same_ones(target, part):
    runs = list[int]()
    hook = target.model.client.register_forward_hook(lambda module, given, made: runs.append(len(made)))
    reconstructed(Reading(), target, part, SEEDS, 5)
    hook.remove()
    assert runs == [60, 60]  # the images, and the reconstructions whose likelihood is asked
    sent = activations(target, part)
    for number in (0, 3):
        again = releases(target, part, SEEDS.trial, number=number, sent=sent)
        assert torch.equal(again, releases(target, part, SEEDS.trial, number=number))


def test_both_reconstructions_are_averaged_over_releases(target, part):
    found = reconstructed(Sharper(), target, part, SEEDS, 5)
    assert found.variants["for_ssim"].ssim.shape == (5, 60)
    assert torch.equal(found.by_release.ssim, found.variants["for_ssim"].ssim)
    assert torch.equal(found.by_release.mse, found.variants["for_mse"].mse)


def test_another_seed_of_the_attack_draws_other_numbers_from_the_same_releases(target, part):
    first, again, other = (
        reconstructed(Reading(own=0.1), target, part, SEEDS._replace(job=job)).per_image.mse for job in (2, 2, 3)
    )
    assert torch.equal(first, again)
    assert not torch.isclose(first, other, rtol=1e-6).any()
    silent = [reconstructed(Reading(), target, part, SEEDS._replace(job=job)).per_image.mse for job in (2, 3)]
    assert torch.equal(*silent)


def test_standard_errors_are_of_images_and_releases_clustered_by_image():
    """Of a score a_i + b_ir the mean over R releases of N images has variance (A + B / R) / N, B / R N of releases."""
    torch.manual_seed(0)
    between, within, images, count = 0.03, 0.08, 40, 5

    def drawn() -> PerImage:
        a, b = between * torch.randn(images), within * torch.randn(count, images)
        return PerImage(*[1 + a + b] * 3)

    def over(repeats: int, told: Callable[[PerImage], float]) -> float:
        return sum(told(drawn()) for _ in range(repeats)) / repeats

    def clustered(scores: PerImage) -> float:
        return standard_errors(PerImage(*(column.mean(0) for column in scores)))["mse"] ** 2

    truth = (between**2 + within**2 / count) / images
    assert over(400, clustered) == pytest.approx(truth, rel=0.06)
    assert over(400, lambda scores: release_errors(scores)["ssim"] ** 2) == pytest.approx(
        within**2 / count / images, rel=0.06
    )
    means = torch.stack([drawn().mse.mean() for _ in range(4000)])
    assert float(means.var()) == pytest.approx(truth, rel=0.1)
    assert release_errors(PerImage(*[torch.rand(1, 9)] * 3)) == {}


def test_each_score_has_the_surprise_of_its_own_reconstruction_on_the_first_release(target, part):
    """Of a Gaussian law, written out here; the client is the identity."""
    found = reconstructed(Sharper(), target, part, SEEDS, 5)
    z = releases(target, part, SEEDS.trial)
    for score, x_hat in (("mse", z.clamp(0, 1)), ("ssim", (0.5 + (z - 0.5) / 2).clamp(0, 1))):
        told = (z - x_hat).double().square().flatten(1).sum(1) / (2 * SIGMA**2)
        off = found.surprise[score].double() - told
        torch.testing.assert_close(off, off.mean().expand_as(off), rtol=0, atol=1e-2)  # but for a constant
    assert (found.surprise["mse"] < found.surprise["ssim"]).all()


def test_where_the_law_of_releases_is_not_known_nothing_is_said_of_it(part):
    client = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.eye_(client.weight[:, :, 0, 0])
    hidden = SplitModel(client=client, server=nn.Flatten(), defense=Unknown(), sigma=SIGMA)
    target = LiveTarget(hidden, (3, 12, 12), 2, torch.float32)
    assert reconstructed(Reading(), target, part, SEEDS).surprise == {}


class Unknown(Defense):
    """Has a likelihood of its own and does not say whether it is exact."""

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        return (z - activation).abs().flatten(1).sum(1)
