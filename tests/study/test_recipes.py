"""The learning rates of the two recipes."""

import pytest
import torch

from harness.study.recipes import RECIPES, published_factor, ramped


@pytest.mark.parametrize(
    ("epochs", "epoch", "factor"),
    [(240, 1, 0.0), (240, 2, 1.0), (240, 59, 1.0), (240, 60, 0.2), (240, 119, 0.2), (240, 120, 0.04),
     (240, 180, 0.008), (240, 210, 0.0016), (120, 30, 0.2), (120, 60, 0.04), (120, 90, 0.008), (120, 105, 0.0016)],
)  # fmt: skip
def test_published_learning_rate_has_the_public_codes_steps(epochs, epoch, factor):
    assert published_factor(epoch - 1, epochs) == pytest.approx(factor)


def course(recipe: str, epochs: int, steps: int) -> list[float]:
    (optimiser,) = RECIPES[recipe].optimisers([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    scheduler = RECIPES[recipe].scheduler(optimiser, epochs, steps)
    rates = []
    for _ in range(epochs * steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def test_published_recipe_does_not_learn_in_its_first_epoch():
    rates = course("published", epochs=10, steps=3)
    assert rates[:3] == [0.0] * 3
    assert rates[3] == 0.05


def test_fast_recipe_rises_to_a_tenth_and_falls_to_nothing():
    rates = course("fast", epochs=8, steps=20)
    assert max(rates) == pytest.approx(0.1, rel=1e-3)
    assert rates[0] < 0.01
    assert rates[-1] < 1e-3


def test_groups_keep_their_own_learning_rate_through_the_course():
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))]},
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.01},
    ]
    (optimiser,) = RECIPES["fast"].optimisers(groups)
    scheduler = RECIPES["fast"].scheduler(optimiser, 2, 10)
    for _ in range(6):
        optimiser.step()
        scheduler.step()
    assert optimiser.param_groups[1]["lr"] == pytest.approx(optimiser.param_groups[0]["lr"] / 10)


def test_a_group_that_asks_for_adam_gets_it_with_its_own_settings():
    weight = torch.nn.Parameter(torch.zeros(1))
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]}, {"params": [weight], "optimiser": "adam", "lr": 1e-3}]
    _, own = RECIPES["fast"].optimisers(groups)
    weight.grad = torch.ones(1)
    own.step()
    assert isinstance(own, torch.optim.Adam)
    assert weight.item() == pytest.approx(-1e-3)


def test_a_penalty_rises_linearly_from_nothing_at_the_first_step_to_all_of_it():
    assert [ramped(progress, 0.125) for progress in (0.0, 0.0625, 0.125, 0.5)] == [0.0, 0.5, 1.0, 1.0]
    assert ramped(0.0, 0.0) == ramped(0.0, None) == 1.0
