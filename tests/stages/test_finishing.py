"""The rounds that end a held training: where they lie, and the learning rate in them."""

import pytest
import torch

from harness.stages.finishing import BEGINS, ROUNDS, SHARE, rounds_of
from harness.study.recipes import RECIPES


def test_rounds_are_the_last_steps_of_a_training_and_end_with_it():
    rounds = rounds_of(1000)
    assert rounds.begin == 1000 - ROUNDS * rounds.length == pytest.approx(1000 * (1 - SHARE))
    assert sorted(rounds.ends(1000)) == [rounds.begin + (number + 1) * rounds.length for number in range(ROUNDS)]


def test_each_begins_at_the_same_rate_and_falls_to_nothing():
    rounds = rounds_of(5000)
    factors = [rounds.factor(step) for step in range(rounds.begin, 5000)]
    assert factors[:: rounds.length] == pytest.approx([BEGINS] * ROUNDS)
    for number in range(ROUNDS):
        own = factors[number * rounds.length : (number + 1) * rounds.length]
        assert own == sorted(own, reverse=True)
        assert own[-1] < 0.001


def test_a_training_too_short_for_them_has_none():
    assert rounds_of(40) == (40, 40)
    assert not rounds_of(40).ends(39)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_falls_to_its_end_before_them(recipe):
    (optimiser,) = RECIPES[recipe].optimisers([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    scheduler = RECIPES[recipe].scheduler(optimiser, 240, 5, finish=288)
    rates = []
    for _ in range(1200 - 288):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert rates[-1] <= RECIPES[recipe].lr * 0.0017
    assert max(rates) == pytest.approx(RECIPES[recipe].lr, rel=1e-3)
