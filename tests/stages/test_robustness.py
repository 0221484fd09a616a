"""The robust accuracy: the closed form of a linear network, through noise and through rounding, and no gradient."""

import math
import re

import pytest
import torch
from torch import nn

import defenses
from harness.data import Part
from harness.models import LiveTarget
from harness.models.split import SplitModel
from harness.stages import robustness
from harness.stages.robustness import EPSILON
from harness.stages.robustness import robustness as told_of

SHAPE = (3, 4, 4)


def linear(sigma: float, name: str = "none", **settings: object) -> LiveTarget:
    """Return a network of two classes that is linear: the client releases what it sees."""
    client = nn.Conv2d(3, 3, 1)
    client.weight.data = torch.eye(3)[:, :, None, None]
    client.bias.data.zero_()
    server = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 2))
    server[1].bias.data = -server[1].weight.detach().sum(1) / 2  # grey lies between the classes
    model = SplitModel(client=client, server=server, defense=defenses.make(name, **settings), sigma=sigma)
    return LiveTarget(model, SHAPE, 2, torch.float32)


def part(target: LiveTarget, count: int = 200) -> Part:
    """Return images away from black and white, labelled as the network names them without noise."""
    x = torch.randint(80, 176, (count, *SHAPE), dtype=torch.uint8)
    with torch.no_grad():
        y = target.model.server(x / 255).argmax(1)
    return Part(name="validation", x=x, y=y, digest="")


@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_it_is_the_closed_form_of_a_linear_network(sigma):
    torch.manual_seed(0)
    target = linear(sigma)
    scored = part(target)
    weight = target.model.server[1].weight
    between = (weight[0] - weight[1]).detach()
    with torch.no_grad():
        logits = target.model.server(scored.x / 255)
    margin = (logits[:, 0] - logits[:, 1]).abs() - EPSILON * between.abs().sum()
    spread = max(sigma * float(between.norm()), 1e-9)
    right = torch.special.ndtr(margin / spread)
    error = float((right * (1 - right)).mean() / (len(right) * robustness.DRAWS)) ** 0.5
    found = told_of(target, scored).values["robust_accuracy"]
    assert 0.3 < float(right.mean()) < 0.95
    assert found == pytest.approx(float(right.mean()), abs=4.5 * error + 1e-6)


def test_a_release_without_a_derivative_is_misled_through_what_is_expected_of_it():
    torch.manual_seed(0)
    plain, rounded = linear(0.0), linear(0.0, "rounding", step=0.02)
    rounded.model.load_state_dict(plain.model.state_dict(), strict=False)
    scored = part(plain)
    one, other = (told_of(target, scored).values["robust_accuracy"] for target in (plain, rounded))
    assert one < 0.95
    assert other == pytest.approx(one, abs=0.1)


def test_a_network_without_a_gradient_has_none_and_says_why():
    target = linear(0.1)
    nn.init.zeros_(target.model.client.weight)
    told = told_of(target, part(target))
    assert told.values == {"robust_accuracy": None}
    assert re.fullmatch(r"no gradient of the network reaches (\d+) of \1 images .*", told.reasons["robust_accuracy"])


def test_a_network_that_names_nothing_rightly_keeps_nothing():
    torch.manual_seed(0)
    target = linear(0.0)
    named = part(target)
    wrong = Part(name="validation", x=named.x, y=1 - named.y, digest="")
    assert told_of(target, wrong).values == {"robust_accuracy": 0.0}


def test_images_stay_within_reach_and_within_black_and_white():
    torch.manual_seed(0)
    target = linear(0.1)
    x = torch.rand(32, *SHAPE).round()
    moved = robustness.misleading(target, x, torch.zeros(32, dtype=torch.int64))
    assert bool(((moved >= 0) & (moved <= 1)).all())
    assert float((moved - x).abs().max()) <= EPSILON + 1e-6
