"""Feature-oriented reconstruction: a decoder of a substitute client whose releases look like those that went by.

References:
    Xu, Yang, Ji, Wang, A stealthy wrongdoer: feature-oriented reconstruction attack against split learning, 2024.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.branches import Branches
from attacks.decoder import Standardised
from attacks.fitting import CHUNK, Stable, guess_error, plan, train, unit
from attacks.guesses import mean_image
from attacks.inversion import pulled, trust
from attacks.networks import InverseNetwork
from attacks.precision import autocast
from attacks.ranges import at_least, positive
from attacks.substitute import Alignment, Substitute, aligned
from attacks.verdict import verdict


class Fora(Attack):
    """Trains two clients of its own on what it overhears, and a decoder of the first one's releases.

    A substitute's releases are to be classified by the server, and to be like those of private images that went by: by
    the maximum mean discrepancy, and for a judge that is trained against it. The decoder has the first one's releases
    of the attacker's images to learn from. Nothing else ties a substitute to the client, so the second one stands in
    for that: its releases say how far a reconstruction may be trusted, one factor by which deviations from the mean
    image are multiplied, and make the curve and the verdict. The true error may well be larger.

    Args:
        width: Channels of a substitute's first convolution and of the judge's, >= 1.
        substitute_steps: Training steps of each substitute, >= 1.
        batch_size: Images of a training step, >= 2.
        substitute_lr: Highest learning rate of Adam in that training, > 0; one cycle.
        match: Weight of the discrepancy, >= 0.
        judged: Weight of what the judge says, >= 0.
        blocks: Residual blocks of the decoder, >= 0; the network is that of ``decoder``.
        channels: Its width, >= 1.
        decoder_steps: Its training steps, >= 1; the branches of a quarter and of half of them come on top.
        decoder_lr: Highest learning rate of its Adam, > 0.
    """

    reference = "Xu et al., A stealthy wrongdoer: feature-oriented reconstruction attack against split learning, 2024"
    threat = (
        "The server knows its own half, the defense and the noise, has images, and reads releases of private ones as "
        "they go by; it never asks the client."
    )
    cost = "two trainings of a substitute client against a judge, one of a decoder; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "none"
    needs_server: ClassVar[bool] = True
    overhears: ClassVar[bool] = True
    width_setting = "width"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "width": 16, "substitute_steps": 150, "batch_size": 32, "substitute_lr": 5e-3, "match": 3.0, "judged": 0.3,
            "blocks": 0, "channels": 32, "decoder_steps": 100, "decoder_lr": 4e-3,
        },
        "standard": {
            "width": 32, "substitute_steps": 600, "batch_size": 64, "substitute_lr": 3e-3, "match": 3.0, "judged": 0.3,
            "blocks": 4, "channels": 32, "decoder_steps": 400, "decoder_lr": 4e-3,
        },
        "strong": {
            "width": 64, "substitute_steps": 15_000, "batch_size": 128, "substitute_lr": 1e-3, "match": 3.0,
            "judged": 0.3, "blocks": 8, "channels": 64, "decoder_steps": 15_000, "decoder_lr": 1e-3,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "substitute_lr": Span(3e-4, 1e-2, log=True),
        "match": Span(0.1, 30.0, log=True),
        "judged": Span(0.01, 3.0, log=True),
    }

    def __init__(
        self,
        width: int,
        substitute_steps: int,
        batch_size: int,
        substitute_lr: float,
        match: float,
        judged: float,
        blocks: int,
        channels: int,
        decoder_steps: int,
        decoder_lr: float,
    ) -> None:
        at_least("fora", 0, match=match, judged=judged, blocks=blocks)
        at_least("fora", 1, width=width, substitute_steps=substitute_steps, channels=channels)
        at_least("fora", 1, decoder_steps=decoder_steps)
        at_least("fora", 2, batch_size=batch_size)
        positive("fora", substitute_lr=substitute_lr, decoder_lr=decoder_lr)
        self.width = width
        self.how = Alignment(width, substitute_steps, batch_size, substitute_lr, match, judged)
        self.blocks, self.channels = blocks, channels
        self.decoder_steps, self.decoder_lr = decoder_steps, decoder_lr
        self.network: nn.Module | None = None
        self.trust = 1.0

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train both substitutes, and the decoder on the first; judge it by the second."""
        if self.overheard is None:
            raise RuntimeError("fora: give it releases that went by (hearing) before it is fitted")
        self.target, self.mean = target, mean_image(aux.x) / 255
        overheard = self.overheard.float()
        first, second = (self._substitute(aux) for _ in range(2))
        activation, image = target.activation_shape, target.image_shape
        network = nn.Sequential(Standardised(overheard), InverseNetwork(activation, image, self.blocks, self.channels))
        self.network = network.to(overheard.device).to(memory_format=torch.channels_last)
        z = _released(second, val.x)
        optimiser = torch.optim.Adam(self.network.parameters(), fused=True)
        length = plan(len(aux.x), self.how.batch_size, self.decoder_steps, self.decoder_steps)
        rising = Stable(length.total)

        def rate(step: int) -> float:
            return self.decoder_lr * rising(step)

        def step(x: Tensor) -> Tensor:
            return self._step(first, x, optimiser)

        def errors() -> Tensor:
            return pulled(self._decoded(z), self.mean, unit(val.x))

        shorter = Branches(aux.x, length, optimiser, rate, step, errors, (self.network, optimiser))
        curve = train(
            aux.x,
            length,
            optimiser,
            lr=rate,
            step=step,
            validate=lambda: float(errors().mean()),
            after=shorter.after(),
        )
        known = aux.x[: len(val.x)]
        made = self._decoded(_released(second, known))
        self.trust = trust(made, self.mean, unit(known))
        labels = torch.cat([target.server(part).argmax(1) for part in _released(first, val.x).split(CHUNK)])
        details = {"substitute_accuracy": float((labels == val.y).float().mean()), "trust": self.trust}
        course = Course(
            assumes=True,
            errors=shorter.shares(length.total) | {1.0: errors()},
            seen=pulled(made, self.mean, unit(known)),
        )
        own = verdict(curve, guess_error(aux, val))
        return Fit(curve=tuple(curve), verdict=own, course=course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Decode releases, and trust that as far as the second substitute says."""
        if self.network is None:
            raise RuntimeError("fora: fit it before it reconstructs")
        x_hat = self._decoded(z.float())
        return torch.lerp(self.mean.expand_as(x_hat), x_hat, self.trust)

    def _substitute(self, aux: Images) -> Substitute:
        assert self.overheard is not None
        return aligned(self.target, aux, self.overheard.float(), self.how)

    def _step(self, first: Substitute, x: Tensor, optimiser: torch.optim.Optimizer) -> Tensor:
        """Take a step of the decoder on images ``(B, 3, height, width)``; return its loss, detached."""
        assert self.network is not None
        self.network.train()
        with torch.no_grad():
            z = first.release(x)
        with autocast(x.device, self.target.precision):
            x_hat = self.network(z)
        loss = F.mse_loss(x_hat, x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()

    def _decoded(self, z: Tensor) -> Tensor:
        assert self.network is not None
        self.network.eval()
        with torch.no_grad():
            return torch.cat([self.network(part) for part in z.split(CHUNK)])


@torch.no_grad()
def _released(substitute: Substitute, x: Tensor) -> Tensor:
    """Return a substitute's releases of uint8 images."""
    return torch.cat([substitute.release(unit(part)) for part in x.split(CHUNK)])
