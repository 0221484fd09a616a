"""What an attack is: an adversary that holds the trained client and tries to turn a release back into the image."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

Verdict = Literal["converged", "limited", "floor", "diverged", "failed"]
"""``limited``: still improving when its budget ended. ``floor``: converged, and no better than a guess without z.
``diverged``: worse than that guess, or not finite. ``failed``: it raised."""

Knowledge = Literal["queries", "gradients", "none"]


class Target(Protocol):
    """The network under attack, as its adversary sees it. Images are float32 in [0, 1], ``(B, 3, height, width)``."""

    sigma: float
    """Standard deviation of the channel noise, >= 0."""
    image_shape: tuple[int, int, int]
    num_classes: int
    precision: torch.dtype
    """``torch.bfloat16`` where the hardware has it, else ``torch.float32``: what autocast should use."""

    @property
    def defense(self) -> nn.Module:
        """The defense itself: the attacker moves second."""

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release, ``(B, C, H, W)``: differentiable, eval mode, no noise."""

    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases: ``(B, C, H, W)`` for m = 1, else ``(m, B, C, H, W)``; no gradient."""

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of the noise that the defense itself adds, channel noise not included."""

    def server(self, z: Tensor) -> Tensor:
        """Return logits, ``(B, num_classes)``; only for an attack that declares ``needs_server``."""


class Images(NamedTuple):
    """Images on the attack's device."""

    x: Tensor
    """uint8, ``(N, 3, height, width)``."""
    y: Tensor
    """Labels, int64, ``(N,)``."""


class Point(NamedTuple):
    """One point of a learning curve."""

    step: int
    """Optimiser steps taken, >= 0."""
    train: float
    """Mean training loss since the previous point."""
    validation: float
    """Mean squared error on attacker-validation, in [0, 1] units."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How an attack's fitting went."""

    curve: tuple[Point, ...]
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a probe measured."""

    scores: dict[str, float] = field(default_factory=dict)
    verdict: Verdict = "converged"


class Attack(ABC):
    """A reconstruction attack. Its settings are its constructor's keywords; its budgets name fixed sets of them."""

    reference: ClassVar[str]
    """Author, title, year of the source."""
    kind: ClassVar[Literal["reconstruction", "probe"]] = "reconstruction"
    knowledge: ClassVar[Knowledge]
    needs_server: ClassVar[bool] = False
    budgets: ClassVar[dict[str, dict[str, Any]]]
    """Settings of the constructor by the budget's name."""

    @abstractmethod
    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Learn from the attacker's own images; tune and stop on ``val`` only."""

    @abstractmethod
    def reconstruct(self, z: Tensor) -> Tensor:
        """Return images in [0, 1], ``(B, 3, height, width)`` float32, from releases ``(B, C, H, W)``."""
