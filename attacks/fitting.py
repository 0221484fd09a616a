"""Training a network on the attacker's images: batches, learning rates, and the loop that keeps the curve."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from attacks.base import Images, Point, Target
from attacks.counted import counted
from attacks.guesses import mean_image

CURVE_POINTS = 20
"""Most validations in a fit."""

CHUNK = 512
"""Images treated at once where there is no gradient."""

LEAST_BATCHES = 10
"""Batches in an epoch, at least: with few images the batch shrinks, so that every epoch still takes some steps."""

NOTHING: Mapping[int, Callable[[], None]] = MappingProxyType({})
"""Of a training without branches: what is called after which step."""

WARM, DECAY = 0.1, 0.3
"""Shares of the steps over which a learning rate that stays in between rises, and falls."""

Network = TypeVar("Network", bound=nn.Module)

Factor = Callable[[int, int, int], float]
"""From a step >= 0, the number of all steps and that of an epoch: the learning rate over the highest, in [0, 1]."""


class Plan(NamedTuple):
    """How long a training is."""

    batch_size: int
    per_epoch: int
    """Steps of an epoch, >= 1."""
    total: int
    """Steps of the training, >= 1."""


def plan(num_images: int, batch_size: int, epochs: int, steps: int | None) -> Plan:
    """Return the length of a training of ``epochs``, cut off after ``steps`` if that is less.

    The batch is at most a tenth (``1 / LEAST_BATCHES``) of the images.
    """
    batch_size = min(batch_size, max(1, num_images // LEAST_BATCHES))
    per_epoch = math.ceil(num_images / batch_size)
    return Plan(batch_size, per_epoch, min(epochs * per_epoch, steps or epochs * per_epoch))


def train(
    images: Tensor,
    length: Plan,
    optimiser: torch.optim.Optimizer,
    lr: Callable[[int], float],
    step: Callable[[Tensor], Tensor],
    validate: Callable[[], float],
    ended: Callable[[Sequence[Point]], bool] = lambda curve: False,
    after: Mapping[int, Callable[[], None]] = NOTHING,
) -> list[Point]:
    """Train, and validate evenly over the steps; return the learning curve, its last point at the end.

    Args:
        images: The attacker's, uint8, ``(N, 3, height, width)``.
        length: Steps and their batches.
        optimiser: Whose learning rate is set before each step, in every group.
        lr: Learning rate of a step, counted from 0.
        step: Takes one step on images in [0, 1], ``(B, 3, height, width)``, and returns its loss, detached.
        validate: Returns the validation error.
        ended: Whether a curve says that further steps are of no use; asked after each validation.
        after: What is called once so many steps were taken, such as a branch (:mod:`attacks.branches`).
    """
    validate_after = {round(length.total * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}
    curve: list[Point] = []
    losses: list[Tensor] = []
    steps = counted(range(1, length.total + 1), kept=validate_after | after.keys())
    for taken, batch in zip(steps, batches(images, length.batch_size), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = lr(taken - 1)
        losses.append(step(unit(batch)))
        if taken in validate_after:
            curve.append(Point(taken, float(torch.stack(losses).mean()), validate()))
            losses.clear()
            if ended(curve):
                break
        if taken in after:
            after[taken]()
    return curve


class Average(Generic[Network]):
    """The exponential average of a network's weights, which is what reconstructs.

    Args:
        network: As it is before training.
        decay: Weight of the past in a step, in [0, 1); ``(1 + t) / (10 + t)`` after t steps where that is less, so that
            a short training forgets its beginning too.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network, self.decay, self.steps = copy.deepcopy(network).eval().requires_grad_(False), decay, 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that a step changes."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Put it back."""
        self.network.load_state_dict(state_dict["network"])
        self.steps = state_dict["steps"]

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take in the weights after a step; buffers are those of before training."""
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), weight)


def batches(images: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Yield batches of images, epoch after epoch, each in a new random order; an epoch's last batch may be smaller."""
    while True:
        for chosen in torch.randperm(len(images), device=images.device).split(batch_size):
            yield images[chosen]


def unit(x: Tensor) -> Tensor:
    """Turn uint8 images into float32 ones in [0, 1]."""
    return x.float() / 255


def mirrored(x: Tensor) -> Tensor:
    """Mirror about half of images ``(B, 3, height, width)``, at random, left to right."""
    return torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)


@torch.no_grad()
def released(target: Target, images: Images) -> Tensor:
    """Return one release of each image, ``(N, C, H, W)``."""
    return torch.cat([target.release(unit(x)) for x in images.x.split(CHUNK)])


def channel_statistics(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel of releases ``(N, C, H, W)``, each ``(1, C, 1, 1)``.

    The deviation is at least a thousandth of the largest one, so that a silent channel stays silent.
    """
    mean, deviation = z.mean(dim=(0, 2, 3), keepdim=True), z.std(dim=(0, 2, 3), keepdim=True, correction=0)
    return mean, deviation.clamp_min(max(1e-3 * float(deviation.max()), 1e-12))


def guess_error(aux: Images, val: Images) -> float:
    """Return the mean squared error of the best guess without z on attacker-validation, > 0."""
    return float((unit(val.x) - mean_image(aux.x) / 255).square().mean())


def cosine(step: int, total: int, per_epoch: int) -> float:
    """Fall to a hundredth, epoch by epoch."""
    progress = step // per_epoch * per_epoch / total
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(step: int, total: int, per_epoch: int) -> float:
    """Rise over the first 30 % of the steps, then fall to nought."""
    progress = step / total
    if progress < 0.3:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


def warm_cosine(step: int, total: int, per_epoch: int, share: float = 0.02) -> float:
    """Rise in a line over the first ``share`` of the steps, in (0, 1), then fall to nought as a cosine."""
    progress = (step + 1) / (total + 1)
    if progress < share:
        return progress / share
    return (1 + math.cos(math.pi * (progress - share) / (1 - share))) / 2


class Stable:
    """Rises in a line, stays, and falls to nought over the last ``DECAY`` of the steps.

    All trainings go the same way until they begin to fall, so that a shorter one branches off a longer one, and one
    that is of no further use while the rate is high falls at once.

    Args:
        total: Steps of the training, >= 1.
        rise: Share of them over which the rate rises, in (0, 1).
    """

    def __init__(self, total: int, rise: float = WARM) -> None:
        self.total, self.warm = total, rise * (total + 1)

    def __call__(self, step: int) -> float:
        """Return the learning rate over the highest, in [0, 1], of a step counted from 0."""
        return max(0.0, min(1.0, (step + 1) / self.warm, (self.total - step) / (DECAY * (self.total + 1))))

    def falls(self, taken: int) -> bool:
        """Say whether the rate falls after so many steps."""
        return taken > (1 - DECAY) * self.total

    def fall(self, taken: int) -> None:
        """Let the rate fall from here, and the training be as long as one that was meant to."""
        self.total = min(self.total, round(taken / (1 - DECAY)))


FACTORS: dict[str, Factor] = {"cosine": cosine, "one-cycle": one_cycle}
"""The published decoder's own schedules by name."""
