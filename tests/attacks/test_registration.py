"""Scores that no defense fools by moving images or by hiding their brightness alone."""

import pytest
import torch
from torch import Tensor, nn

import defenses
from attacks import metrics
from attacks.metrics.registration import registered
from harness.data import Part
from harness.models import LiveTarget
from harness.models.split import SplitModel
from harness.stages.identifying import identified_by
from harness.stages.measuring import releases

SIDE, SIGMA, SEED = 32, 0.05, 3


def pictures(count: int, brightness: float = 0.0) -> Tensor:
    """Smooth images of the channels' own, each of a brightness of its own by so much."""
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(count, 3, 8, 8), (SIDE, SIDE), mode="bilinear")
    offset = brightness * torch.randn(count, 1, 1, 1)
    return (0.5 + 0.3 * (smooth - 0.5) + offset).clamp(0, 1)


def test_what_was_rolled_and_mirrored_comes_back_where_it_was():
    x = pictures(9)
    moved = torch.cat([x[:3].roll((4, -3), (2, 3)), x[3:6].flip(3).roll((0, 2), (2, 3)), x[6:]])
    torch.testing.assert_close(registered(moved, x), x)


def test_beyond_an_eighth_of_a_side_nothing_is_moved_back():
    x = pictures(4)
    found = registered(x.roll(7, 3), x)
    assert (found - x).square().mean() > 0.1 * x.var()
    expected = [
        min(
            float((mirrored[i].roll((down, right), (1, 2)) - x[i]).square().mean())
            for mirrored in (x.roll(7, 3), x.roll(7, 3).flip(3))
            for down in range(-4, 5)
            for right in range(-4, 5)
        )
        for i in range(4)
    ]
    assert (found - x).square().mean((1, 2, 3)).tolist() == pytest.approx(expected, rel=1e-4)


def scored(name: str, x: Tensor) -> tuple[dict[str, float | None], LiveTarget, Part, Tensor]:
    """Scores of the best linear reconstruction of releases pixel by pixel, through a client that hides nothing."""
    client = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.eye_(client.weight[:, :, 0, 0])
    model = SplitModel(client=client, server=nn.Flatten(), defense=defenses.make(name), sigma=SIGMA)
    target = LiveTarget(model, (3, SIDE, SIDE), 2, torch.float32)
    part = Part(name="validation", x=(255 * x).round().to(torch.uint8), y=torch.arange(len(x)) % 2, digest="")
    z, x = releases(target, part, SEED), part.x.float() / 255
    # one slope for all pixels and their means: what an attacker fits on pairs of release and image
    own, of_image = z - z.mean(0), x - x.mean(0)
    slope = (own * of_image).sum() / own.square().sum()
    # who inverts the client leaves the release where it is
    x_hat = z if name.endswith("Rolled") else (x.mean(0) + slope * own).clamp(0, 1)
    per_image = metrics.score(x_hat, x)
    told = metrics.further(x_hat, x, part.y, per_image).values | metrics.means(per_image)
    return told, target, part, x_hat


def test_a_random_roll_and_mirror_fools_mse_and_not_the_registered_scores():
    x = pictures(100)
    plain, rolled = (scored(name, x)[0] for name in ("none", "tests.plugins:Rolled"))
    assert rolled["mse"] > 3 * plain["mse"]
    assert rolled["ssim"] < 0.5 * plain["ssim"]
    # to which the noise of the release is added, which a line shrinks and an inversion does not
    assert rolled["registered_mse"] < 2 * plain["registered_mse"] + SIGMA**2
    assert rolled["registered_ssim"] > 0.6 * plain["registered_ssim"]


def test_standardising_each_image_fools_mse_and_not_identification():
    x = pictures(100, brightness=0.15)
    (plain, *_), (told, target, part, x_hat) = (scored(name, x) for name in ("none", "tests.plugins:Standardised"))
    assert told["mse"] > 5 * plain["mse"]
    assert told["registered_mse"] > 5 * plain["registered_mse"]
    for knowledge in ("gradients", "queries", "none"):
        assert identified_by(knowledge, target, part, x_hat, SEED).values["identified_1"] > 0.95, knowledge
