"""The published decoding attack: an inverse network trained on the attacker's own images and their releases.

References:
    Xia, Hong, Guo, Lu, Liu, Zhao, Conditional entropy maximization for collaborative inference, 2025.
    He, Zhang, Lee, Model inversion attacks against collaborative inference, 2019.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.branches import Branches
from attacks.fitting import (
    CHUNK,
    FACTORS,
    NOTHING,
    Plan,
    Stable,
    channel_statistics,
    guess_error,
    plan,
    released,
    train,
    unit,
)
from attacks.networks import InverseNetwork
from attacks.precision import autocast
from attacks.ranges import at_least, positive
from attacks.verdict import verdict

DEVIATION = 0.25
"""Of standardised features: about that of the features, sigmoids, which the network's training was chosen for."""


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
            steps, then falls to nought, for other attacks' starts; ``stable``: rises over the first tenth, stays, and
            falls over the last three tenths. The training of half the steps is a short branch: of ``stable`` exactly
            what it would be; of ``cosine``, the published schedule, one that falls in a line over its last three tenths
            from where the cosine then is; of ``one-cycle`` there is none.
        weight_decay: L2 penalty of Adam, >= 0.
    """

    reference = "Xia et al., Conditional entropy maximization for collaborative inference, 2025"
    threat = "The server, or who reads its traffic, may send images of their own through a client and see the releases."
    cost = "one training on the attacker's images; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    version = 4
    width_setting = "channels"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "blocks": 4, "channels": 32, "epochs": 16, "steps": 500, "batch_size": 128,
            "lr": 4e-3, "schedule": "stable", "weight_decay": 1e-4,
        },
        "standard": {
            "blocks": 8, "channels": 64, "epochs": 50, "steps": 450, "batch_size": 128,
            "lr": 2e-3, "schedule": "stable", "weight_decay": 1e-4,
        },
        "strong": {
            "blocks": 8, "channels": 64, "epochs": 50, "steps": None, "batch_size": 256,
            "lr": 1e-3, "schedule": "cosine", "weight_decay": 1e-4,
        },
    }  # fmt: skip
    standardises: ClassVar[bool] = False
    """Whether the unit of the features is nothing to it."""
    tunable: ClassVar[dict[str, Tunable]] = {"lr": Span(3e-4, 1e-2, log=True)}

    def __init__(
        self,
        blocks: int,
        channels: int,
        epochs: int,
        steps: int | None,
        batch_size: int,
        lr: float,
        schedule: Literal["cosine", "one-cycle", "stable"],
        weight_decay: float,
    ) -> None:
        at_least("decoder", 0, blocks=blocks, weight_decay=weight_decay)
        at_least(
            "decoder", 1, channels=channels, epochs=epochs, batch_size=batch_size, steps=1 if steps is None else steps
        )
        positive("decoder", lr=lr)
        if schedule not in (*FACTORS, "stable"):
            raise ValueError(f"decoder: schedule takes {sorted([*FACTORS, 'stable'])}, not {schedule!r}")
        self.blocks, self.channels = blocks, channels
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self.lr, self.schedule, self.weight_decay = lr, schedule, weight_decay
        self.network: nn.Module | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the network; validate it on one fixed release of ``val``, evenly over the steps."""
        z_val = released(target, val)
        self.network = self._network(z_val, target)
        optimiser = torch.optim.Adam(self.network.parameters(), weight_decay=self.weight_decay, fused=True)
        length = plan(len(aux.x), self.batch_size, self.epochs, self.steps)
        rate = self._rate(length)

        def step(x: Tensor) -> Tensor:
            return self._step(target, x, optimiser)

        def errors() -> Tensor:
            return self._errors(z_val, val, target)

        halves = Branches(aux.x, length, optimiser, rate, step, errors, (self.network, optimiser))
        curve = train(
            aux.x,
            length,
            optimiser,
            lr=rate,
            step=step,
            validate=lambda: float(errors().mean()),
            after=NOTHING if self.schedule == "one-cycle" else halves.after(),
        )
        shown = Images(aux.x[: len(val.x)], aux.y[: len(val.x)])
        with torch.random.fork_rng([aux.x.device] if aux.x.is_cuda else []):
            seen = self._errors(released(target, shown), shown, target)
        shorter = halves.shares(length.total) | {1.0: errors()}
        course = Course(errors=shorter, seen=seen, flags=() if self.standardises else ("scale moves it",))
        return Fit(curve=tuple(curve), verdict=verdict(curve, guess_error(aux, val)), course=course)

    def _rate(self, length: Plan) -> Callable[[int], float]:
        """Return the learning rate of a step, counted from 0."""
        if self.schedule == "stable":
            rate = Stable(length.total)
            return lambda step: self.lr * rate(step)
        factor = FACTORS[self.schedule]
        return lambda step: self.lr * factor(step, length.total, length.per_epoch)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct in eval mode and float32."""
        if self.network is None:
            raise RuntimeError("decoder: fit it before it reconstructs")
        self.network.eval()
        with torch.inference_mode():
            return torch.cat([self.network(chunk.float()) for chunk in z.split(CHUNK)])

    def _network(self, z: Tensor, target: Target) -> nn.Module:
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

    def _errors(self, z: Tensor, images: Images, target: Target) -> Tensor:
        """Return each image's mean squared error, ``(N,)``, on releases ``(N, C, H, W)`` in eval mode."""
        assert self.network is not None
        self.network.eval()
        with torch.no_grad(), autocast(z.device, target.precision):
            pairs = zip(z.split(CHUNK), images.x.split(CHUNK), strict=True)
            return torch.cat([(self.network(part) - unit(x)).square().mean(dim=(1, 2, 3)) for part, x in pairs])


class UnitDecoder(Decoder):
    """The same network on standardised releases, so that the unit of the features is nothing to it.

    To the published one it is much: features of a thousandth leave it where it begins. Other attacks start from this.
    """

    standardises = True

    def _network(self, z: Tensor, target: Target) -> nn.Module:
        return nn.Sequential(Standardised(z), super()._network(z, target))


class Standardised(nn.Module):
    """Gives every channel the mean 0 and the deviation ``DEVIATION``.

    Args:
        z: Releases that mean and deviation are of, ``(N, C, H, W)``.
    """

    def __init__(self, z: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = channel_statistics(z)

    def forward(self, z: Tensor) -> Tensor:
        """Return releases in that unit, ``(B, C, H, W)``."""
        return DEVIATION * (z - self.mean) / self.deviation
