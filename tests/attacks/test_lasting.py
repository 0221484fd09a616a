"""A prior's training that is cut off goes on from what was kept, to the very prior of one that was not."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from attacks import denoiser, generator
from attacks.base import Images, Point
from attacks.lasting import State, kept_by
from attacks.networks import Sizes

STEPS = 12


class Cut(Exception):  # noqa: N818  # a kill, not an error
    """The process dies here."""


class Memory:
    """Keeps every third state, and ends the training after so many steps."""

    def __init__(self, dies: int | None) -> None:
        self.state: State | None = None
        self.dies = dies

    def found(self) -> State | None:
        return copy.deepcopy(self.state)

    def due(self) -> bool:
        return True

    def keep(self, state: State) -> None:
        if state["step"] == self.dies:
            raise Cut
        if state["step"] % 3 == 0:
            self.state = copy.deepcopy(state)


def images() -> Images:
    torch.manual_seed(1)
    return Images(torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8), torch.arange(40) % 2)


def trained_denoiser() -> tuple[nn.Module, tuple[Point, ...]]:
    prior = denoiser.Denoiser((3, 16, 16), Sizes(4, (1, 2), 1, 2), components=4)
    return prior, denoiser.train(prior, images(), denoiser.Training(steps=STEPS, batch_size=8, lr=1e-2, ema=0.9))


def trained_generator() -> tuple[nn.Module, tuple[Point, ...]]:
    prior = generator.Generator((3, 16, 16), 2, latent=4, width=4)
    return prior, generator.train(prior, 8, images(), generator.Training(steps=STEPS, batch_size=8, lr=4e-3, ema=0.9))


@pytest.mark.parametrize("train", [trained_denoiser, trained_generator])
def test_a_prior_that_was_cut_off_twice_is_the_one_of_a_training_in_one_go(
    train: Callable[[], tuple[nn.Module, tuple[Point, ...]]],
) -> None:
    torch.manual_seed(0)
    whole, curve = train()
    memory = Memory(5)
    for dies in (5, 11):
        memory.dies = dies
        torch.manual_seed(0)
        with kept_by(memory), pytest.raises(Cut):
            train()
    memory.dies = None
    torch.manual_seed(0)
    with kept_by(memory):
        again, again_curve = train()
    assert again_curve == curve
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
