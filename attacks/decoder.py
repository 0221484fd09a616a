"""The published decoding attack: an inverse network trained on the attacker's own images and their releases.

References:
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
"""

import math
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
    knowledge: ClassVar[Knowledge] = "queries"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "blocks": 4, "channels": 32, "epochs": 30, "steps": 500, "batch_size": 128,
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
        whole = {
            "channels": channels,
            "epochs": epochs,
            "batch_size": batch_size,
            "steps": 1 if steps is None else steps,
        }
        if wrong := {name: value for name, value in whole.items() if value < 1}:
            raise ValueError(f"decoder: {sorted(wrong)} must be >= 1, not {wrong}")
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
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)
        batch_size = min(self.batch_size, max(1, len(aux.x) // LEAST_BATCHES))
        per_epoch = math.ceil(len(aux.x) / batch_size)
        total = min(self.epochs * per_epoch, self.steps or self.epochs * per_epoch)
        validate_at = {round(total * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)}
        curve: list[Point] = []
        losses: list[Tensor] = []
        for step in range(total):
            if step % per_epoch == 0:
                batches = torch.randperm(len(aux.x), device=aux.x.device).split(batch_size)
            for group in optimiser.param_groups:
                group["lr"] = self.lr * FACTORS[self.schedule](step, total, per_epoch)
            losses.append(self._step(target, _unit(aux.x[batches[step % per_epoch]]), optimiser))
            if step + 1 in validate_at:
                curve.append(Point(step + 1, float(torch.stack(losses).mean()), self._error(z_val, val, target)))
                losses.clear()
        guess = float((_unit(val.x) - mean_image(_unit(aux.x))).square().mean())
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


def _unit(x: Tensor) -> Tensor:
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
