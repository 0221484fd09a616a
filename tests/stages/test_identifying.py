"""Which image a release is of, by who asks: the likelihood's answer is the density's own, and nobody does better."""

import math

import numpy
import pytest
import torch
from torch import nn

import defenses
from attacks.metrics import FOUND, cosines, identified
from harness.data import Part
from harness.models import LiveTarget
from harness.models.split import SplitModel
from harness.stages.identifying import identified_by
from harness.stages.measuring import releases

SIGMA, RATE, SEED = 0.3, 0.3, 3


def target_of(name: str, **settings: object) -> LiveTarget:
    client = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.eye_(client.weight[:, :, 0, 0])
    model = SplitModel(client=client, server=nn.Flatten(), defense=defenses.make(name, **settings), sigma=SIGMA)
    return LiveTarget(model, (3, 12, 12), 2, torch.float32)


@pytest.fixture(scope="module")
def part() -> Part:
    torch.manual_seed(0)
    x = (255 * (0.4 + 0.2 * torch.rand(200, 3, 12, 12))).to(torch.uint8)
    return Part(name="validation", x=x, y=torch.arange(200) % 2, digest="")


def unit(part: Part) -> torch.Tensor:
    return part.x.float() / 255


def test_who_holds_the_client_goes_by_the_density_of_the_release(part):
    """Of dropout, whose density is written out here: a feature is its own or nothing, under the channel's noise."""
    target = target_of("dropout", rate=RATE)
    z, x = releases(target, part, SEED).double().numpy(), unit(part).double().numpy()
    rank = []
    for i in range(200):
        block = x[i // 100 * 100 :][:100]
        kept, gone = (numpy.exp(-((z[i] - mean) ** 2) / (2 * SIGMA**2)) for mean in (block, 0 * block))
        nats = numpy.log((1 - RATE) * kept + RATE * gone).sum((1, 2, 3))
        rank.append(int((nats >= nats[i % 100]).sum()) - 1)
    told, reasons = identified_by("gradients", target, part, unit(part), SEED)
    assert reasons == {}
    assert told["identified_1"] == pytest.approx(numpy.mean([r < 1 for r in rank]), abs=0.011)
    assert told["identified_5"] == pytest.approx(numpy.mean([r < 5 for r in rank]), abs=0.011)
    assert 0.1 < told["identified_1"] < 0.95
    assert set(told) == set(FOUND)


def test_who_may_only_ask_does_no_better_and_pixels_of_a_shrunk_reconstruction_tell_least(part):
    target = target_of("none")
    z, x = releases(target, part, SEED), unit(part)
    shrunk = x.mean(0) + 0.05 * (z - x.mean(0))
    rates = {
        who: identified_by(who, target, part, shrunk, SEED).values["identified_1"]
        for who in ("gradients", "queries", "none")
    }
    nearest = identified(lambda i, c: -(shrunk[i, None] - x[None, c]).square().flatten(2).sum(2), 200, 200)[
        "identified_1"
    ]
    assert nearest < 0.4 < 0.6 < rates["queries"] <= rates["gradients"]
    cosine = identified(lambda i, c: cosines(shrunk[i], x[c], x.mean(0)), 200, 200)["identified_1"]
    # candidates are the first hundreds, their mean the part's
    assert rates["none"] == pytest.approx(cosine, abs=0.02)


def test_the_candidates_are_as_many_for_an_attack_on_few_images_and_too_few_are_told(part):
    target = target_of("none")
    few, all_ = (identified_by("gradients", target, part, unit(part)[:count], SEED).values for count in (32, 200))
    assert few["identified_candidates"] == all_["identified_candidates"] == 100
    assert few["identified_1_se"] > all_["identified_1_se"] > 0
    small = Part(name="validation", x=part.x[:99], y=part.y[:99], digest="")
    found = identified_by("gradients", target, small, unit(small), SEED)
    assert set(found.values.values()) == {None}
    assert found.reasons["identified_1"] == "it takes 100 candidates, and there are 99"
    assert math.isclose(few["identified_chance"], 0.01)
