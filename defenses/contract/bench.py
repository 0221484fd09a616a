"""What the contract tests a defense on: a small client and images, everything seeded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from defenses.base import Batch, Defense, Epoch, Shapes

SHAPES = Shapes(image=(3, 16, 16), activation=(8, 4, 4), num_classes=4)
NUM_IMAGES = 160
BATCH_SIZE = 32


@dataclass(frozen=True)
class Case:
    """A defense under test."""

    create: type[Defense]
    """Its class."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings under which it does something."""
    sigma: float = 0.1
    """Standard deviation of the channel noise, >= 0."""
    signed: frozenset[str] = frozenset()
    """Numeric settings that may be negative."""
    thorough: bool = False
    """Whether bounds are held to 1 % over all noise levels and features, which takes up to a minute, or to 3 %."""


@runtime_checkable
class HasEstimate(Protocol):
    """A defense that can be asked for its own measure of the information in a release."""

    def estimate(self, z_clean: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Return the measure; of a defense that declares a ``bound``, nats of I(x; z | y) per feature."""


class Bench:
    """A defense attached to a small client, with a training part to be fitted on; everything seeded."""

    def __init__(
        self,
        case: Case,
        *,
        fit: bool = True,
        normalised: bool = False,
        changed: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, SHAPES.activation[0], 5, stride=4, padding=2)
        nn.init.normal_(self.convolution.weight, std=0.3)
        behind = [nn.BatchNorm2d(SHAPES.activation[0])] if normalised else []
        self.client = nn.Sequential(self.convolution, *behind, nn.Sigmoid())
        self.y = torch.arange(NUM_IMAGES) % SHAPES.num_classes
        self.x = 0.6 * torch.rand(NUM_IMAGES, *SHAPES.image) + self.y.view(-1, 1, 1, 1) / 10
        self.sigma = case.sigma
        self.defense = case.create(**{**case.settings, **changed})
        self.defense.attach(self.client, SHAPES)
        with torch.random.fork_rng(devices=[]):
            self.server = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPES.activation), SHAPES.num_classes))
        if fit:
            self.fit()

    def features(self, augment: bool = False) -> Tensor:
        """Return the activations of the training part, ``(N, C, H, W)``."""
        with torch.no_grad():
            z: Tensor = self.client(self.x)
        return z

    def fit(self) -> None:
        """End the first epoch."""
        self.defense.end_epoch(
            Epoch(
                features=self.features,
                y=self.y,
                model=self.client,
                batch_size=BATCH_SIZE,
                progress=0.1,
                lr=0.05,
                epoch=0,
            )
        )

    def batch(self, order: Tensor | None = None, *, progress: float = 0.1, **when: Any) -> Batch:
        """Return a step of the second epoch on the first 32 images, ``order`` choosing others; ``when``: its fields."""
        chosen = torch.arange(BATCH_SIZE) if order is None else order
        x, y = self.x[chosen], self.y[chosen]
        z_clean = self.client(x)
        z = self.defense(z_clean)
        z = z + self.sigma * torch.randn_like(z)
        given: dict[str, Any] = {"progress": progress, "lr": 0.05, "epoch": 1} | when
        return Batch(
            x=x, client=self.client, z_clean=z_clean, z=z, y=y, sigma=self.sigma, defense=self.defense,
            server=self.server, **given,
        )  # fmt: skip

    def penalty(self, **when: Any) -> Tensor:
        """Return the penalty of that step, ``()``, from a fixed seed; ``when`` as of ``batch``."""
        torch.manual_seed(1)
        return self.defense.penalty(self.batch(**when))


def optimisers(defense: Defense, *further: nn.Module, lr: float = 0.05) -> list[torch.optim.Optimizer]:
    """Return what trains a defense as the recipes do, and other networks by plain descent."""
    groups = defense.parameter_groups(lr)
    adam = [
        {k: v for k, v in group.items() if k != "optimiser"} for group in groups if group.get("optimiser") == "adam"
    ]
    plain = [group for group in groups if group.get("optimiser") != "adam"]
    plain += [{"params": list(network.parameters())} for network in further]
    found: list[torch.optim.Optimizer] = [torch.optim.SGD(plain, lr=lr)] if plain else []
    return [*found, torch.optim.Adam(adam)] if adam else found


def norm(loss: Tensor, inputs: Sequence[Tensor]) -> float:
    """Return the norm of a loss's gradient on inputs, 0 where it does not reach them."""
    inputs = [each for each in inputs if each.requires_grad]
    if not loss.requires_grad or not inputs:
        return 0.0
    found = torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=True)
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in found if gradient is not None))


def require(truth: bool, otherwise: str) -> None:
    """Raise an ``AssertionError`` with these words unless it is true."""
    if not truth:
        raise AssertionError(otherwise)
