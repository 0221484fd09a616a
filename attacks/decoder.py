"""The published decoding attack: an inverse network trained on the attacker's own images and their releases.

References:
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.base import Attack, Fit, Images, Knowledge, Point, Target
from attacks.guesses import mean_image
from attacks.inverse_network import InverseNetwork
from attacks.precision import autocast
from attacks.verdict import verdict

CURVE_POINTS = 20
"""Most validations in a fit."""

CHUNK = 512
"""Images reconstructed at once."""

LEAST_BATCHES = 10
"""Batches in an epoch, at least: with few images the batch shrinks, so that every epoch still takes some steps."""


class Decoder(Attack):
    """Regresses images on releases, mean squared error, with fresh noise for every batch; does not standardise z.

    The budget is ``epochs`` over the attacker's images, cut off after ``steps`` steps if that is less.

    Args:
        blocks: Residual blocks of the network, >= 0.
        channels: Width of the network, >= 1.
        epochs: Passes over the attacker's images, at most, >= 1.
        steps: Optimiser steps, at most, >= 1; null for no such limit.
        batch_size: Images of a step, >= 1; at most a tenth of the attacker's images are taken.
        lr: Highest learning rate of Adam, > 0.
        schedule: ``cosine``: falls to a hundredth, epoch by epoch; ``one-cycle``: rises over the first 30 % of the
            steps, then falls to nought.
        weight_decay: L2 penalty of Adam, >= 0.
    """

    reference = "Xia et al., Conditional entropy maximization for collaborative inference, 2025"
    threat = "The server, or who reads its traffic, may send images of their own through a client and see the releases."
    cost = "one training on the attacker's images; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "blocks": 4, "channels": 32, "epochs": 16, "steps": 500, "batch_size": 128,
            "lr": 4e-3, "schedule": "one-cycle", "weight_decay": 1e-4,
        },
        "standard": {
            "blocks": 8, "channels": 64, "epochs": 50, "steps": None, "batch_size": 256,
            "lr": 1e-3, "schedule": "cosine", "weight_decay": 1e-4,
        },
    }  # fmt: skip

    def __init__(
        self,
        blocks: int,
        channels: int,
        epochs: int,
        steps: int | None,
        batch_size: int,
        lr: float,
        schedule: Literal["cosine", "one-cycle"],
        weight_decay: float,
    ) -> None:
        least = {
            "blocks": (blocks, 0),
            "channels": (channels, 1),
            "epochs": (epochs, 1),
            "steps": (1 if steps is None else steps, 1),
            "batch_size": (batch_size, 1),
            "weight_decay": (weight_decay, 0),
        }
        for name, (value, bound) in least.items():
            if value < bound:
                raise ValueError(f"decoder: {name} must be >= {bound}, not {value}")
        if not lr > 0:
            raise ValueError(f"decoder: lr must be > 0, not {lr}")
        if schedule not in FACTORS:
            raise ValueError(f"decoder: schedule takes {sorted(FACTORS)}, not {schedule!r}")
        self.blocks, self.channels = blocks, channels
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self.lr, self.schedule, self.weight_decay = lr, schedule, weight_decay
        self.network: InverseNetwork | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the network; validate it on one fixed release of ``val``, evenly over the steps."""
        with torch.no_grad():
            z_val = torch.cat([target.release(_unit(x)) for x in val.x.split(CHUNK)])
        self.network = self._network(z_val, target)
        optimiser = torch.optim.Adam(self.network.parameters(), weight_decay=self.weight_decay, fused=True)
        batch_size = min(self.batch_size, max(1, len(aux.x) // LEAST_BATCHES))
        per_epoch = math.ceil(len(aux.x) / batch_size)
        total = min(self.epochs * per_epoch, self.steps or self.epochs * per_epoch)
        validate_after = {round(total * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}
        curve: list[Point] = []
        losses: list[Tensor] = []
        for step, batch in enumerate(itertools.islice(_batches(aux.x, batch_size), total), start=1):
            optimiser.param_groups[0]["lr"] = self.lr * FACTORS[self.schedule](step - 1, total, per_epoch)
            losses.append(self._step(target, _unit(batch), optimiser))
            if step in validate_after:
                curve.append(Point(step, float(torch.stack(losses).mean()), self._error(z_val, val, target)))
                losses.clear()
        guess = float((_unit(val.x) - mean_image(aux.x) / 255).square().mean())
        return Fit(curve=tuple(curve), verdict=verdict(curve, guess))

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct in eval mode and float32."""
        if self.network is None:
            raise RuntimeError("decoder: fit it before it reconstructs")
        self.network.eval()
        with torch.inference_mode():
            return torch.cat([self.network(chunk.float()) for chunk in z.split(CHUNK)])

    def _network(self, z: Tensor, target: Target) -> InverseNetwork:
        activation = (z.shape[1], z.shape[2], z.shape[3])
        network = InverseNetwork(activation, target.image_shape, self.blocks, self.channels)
        return network.to(z.device).to(memory_format=torch.channels_last)

    def _step(self, target: Target, x: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
        """Take one step on images ``(B, 3, height, width)``; return its loss, detached."""
        assert self.network is not None
        self.network.train()
        z = target.release(x)
        with autocast(x.device, target.precision):
            x_hat = self.network(z)
        loss = F.mse_loss(x_hat, x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()

    def _error(self, z: Tensor, images: Images, target: Target) -> float:
        """Return the mean squared error on releases ``(N, C, H, W)`` of images, in eval mode."""
        assert self.network is not None
        self.network.eval()
        with torch.no_grad(), autocast(z.device, target.precision):
            pairs = zip(z.split(CHUNK), images.x.split(CHUNK), strict=True)
            errors = [F.mse_loss(self.network(part), _unit(x), reduction="sum") for part, x in pairs]
        return float(torch.stack(errors).sum()) / images.x.numel()


def _batches(images: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Yield batches of images, epoch after epoch, each in a new random order; an epoch's last batch may be smaller."""
    while True:
        for chosen in torch.randperm(len(images), device=images.device).split(batch_size):
            yield images[chosen]


def _unit(x: Tensor) -> Tensor:
    """Turn uint8 images into float32 ones in [0, 1]."""
    return x.float() / 255


def _cosine(step: int, total: int, per_epoch: int) -> float:
    progress = step // per_epoch * per_epoch / total
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2


def _one_cycle(step: int, total: int, per_epoch: int) -> float:
    progress = step / total
    if progress < 0.3:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


FACTORS = {"cosine": _cosine, "one-cycle": _one_cycle}
"""Learning rate of a step over the highest, by schedule."""
