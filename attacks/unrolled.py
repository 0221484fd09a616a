"""Unrolled inversion: a decoder, and a few learned steps that correct its image by the release's own likelihood.

References:
    Adler, Öktem, Solving ill-posed inverse problems using iterative deep neural networks, 2017.
    Putzky, Welling, Recurrent inference machines for solving inverse problems, 2017.
"""

import copy
import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Span, Target, Tunable
from attacks.branches import Branches
from attacks.corrected import Corrected, Slope
from attacks.fitting import CHUNK, Average, Stable, guess_error, plan, released, train, unit
from attacks.guesses import mean_image
from attacks.networks import UnetDecoder
from attacks.ranges import at_least, positive, share
from attacks.reading import Reader
from attacks.verdict import verdict

STATISTICS = 512
"""Most of the attacker's images whose releases standardise the input and give gradients their unit."""

CLIP = 1.0
"""Largest norm of a step's gradient: far above the usual one, so that only an outburst is cut."""

WARM_UP, LEAST_WARM_UP = 0.02, 50
"""Share of the steps over which the learning rate rises, and the least number, as far as that is under a third."""


class Unrolled(Attack):
    """Regresses images on releases in steps: a decoder's first, then corrections that see image and likelihood.

    Each correction is a small network's, the same for all steps, of the image so far and the gradient of
    ``Target.surprise`` there: how client and defense work need not be learned from images. All of it is trained at
    once, for the mean squared error after every step, with fresh noise for every batch; the average of the weights over
    steps reconstructs, as it was when its error on attacker-validation was least.

    The budget is ``epochs`` over the attacker's images, cut off after ``steps`` steps if that is less; the branches of
    a quarter and of half the steps (:mod:`attacks.branches`) come on top.

    Args:
        width: Channels of the decoder at the image's size, >= 1; the decoder is that of ``decoder_xl``.
        blocks: Residual blocks of its scales, >= 1.
        attention: Longer side of its largest scale with self-attention; 0 for none.
        corrections: Steps after the decoder's, >= 1.
        correction_width: Channels of their network at its highest resolution, a multiple of 4, >= 4.
        patch: Side of the square of pixels that it treats as one, >= 1.
        epochs: Passes over the attacker's images, at most, >= 1.
        steps: Optimiser steps, at most, >= 1; null for no such limit.
        batch_size: Images of a step, >= 1; at most a tenth of the attacker's images are taken.
        lr: Highest learning rate of AdamW, > 0; it rises over 2 % of the steps, at least 50, and falls over the last
            three tenths.
        weight_decay: Of AdamW, >= 0.
        ema: Decay of the average of weights, in [0, 1).
    """

    reference = "Adler and Öktem, Solving ill-posed inverse problems using iterative deep neural networks, 2017"
    threat = "The server holds the client's weights and the defense, and images of the same kind to learn from."
    cost = (
        "one training and two short branches of it, each step a few passes through the client; then as many passes an "
        "image"
    )
    knowledge: ClassVar[Knowledge] = "gradients"
    needs_server = True
    labels_alone = True
    version = 2
    width_setting = "width"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "width": 8, "blocks": 1, "attention": 8, "corrections": 3, "correction_width": 16, "patch": 2,
            "epochs": 24, "steps": 200, "batch_size": 32, "lr": 6e-3, "weight_decay": 1e-4, "ema": 0.95,
        },
        "standard": {
            "width": 16, "blocks": 1, "attention": 8, "corrections": 2, "correction_width": 16, "patch": 2,
            "epochs": 50, "steps": 3600, "batch_size": 32, "lr": 4e-3, "weight_decay": 1e-4, "ema": 0.995,
        },
        "strong": {
            "width": 64, "blocks": 3, "attention": 16, "corrections": 8, "correction_width": 64, "patch": 1,
            "epochs": 300, "steps": None, "batch_size": 256, "lr": 5e-4, "weight_decay": 1e-4, "ema": 0.999,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(1e-4, 1e-2, log=True),
        "weight_decay": Span(1e-5, 1e-1, log=True),
    }

    def __init__(
        self,
        width: int,
        blocks: int,
        attention: int,
        corrections: int,
        correction_width: int,
        patch: int,
        epochs: int,
        steps: int | None,
        batch_size: int,
        lr: float,
        weight_decay: float,
        ema: float,
    ) -> None:
        at_least("unrolled", 0, attention=attention, weight_decay=weight_decay)
        at_least("unrolled", 1, width=width, blocks=blocks, corrections=corrections, patch=patch, epochs=epochs)
        at_least("unrolled", 1, batch_size=batch_size, steps=1 if steps is None else steps)
        if not (correction_width >= 4 and correction_width % 4 == 0):
            raise ValueError(f"unrolled: correction_width must be a multiple of 4, not {correction_width}")
        positive("unrolled", lr=lr)
        share("unrolled", ema=ema)
        self.width, self.blocks, self.attention = width, blocks, attention
        self.corrections, self.correction_width, self.patch = corrections, correction_width, patch
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self.lr, self.weight_decay, self.ema = lr, weight_decay, ema
        self.network: Corrected | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train decoder and corrections; validate them on one fixed release of ``val``, evenly over the steps."""
        network = self._begin(target, aux)
        average = Average(network, self.ema)
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=self.weight_decay, fused=True)
        length = plan(len(aux.x), self.batch_size, self.epochs, self.steps)
        rate = Stable(length.total, max(WARM_UP, min(1 / 3, LEAST_WARM_UP / length.total)))
        z, least = released(target, val), math.inf

        def lr(step: int) -> float:
            return self.lr * rate(step)

        def step(x: Tensor) -> Tensor:
            return self._step(network, average, x, optimiser)

        def errors() -> Tensor:
            return self._errors(average.network, z, val)[-1]

        def validate() -> float:
            nonlocal least
            now = float(errors().mean())
            if now < least:
                least, self.network = now, copy.deepcopy(average.network)
            return now

        self.network = average.network
        shorter = Branches(aux.x, length, optimiser, lr, step, errors, (network, optimiser, average))
        curve = train(
            aux.x,
            length,
            optimiser,
            lr=lr,
            step=step,
            validate=validate,
            after=shorter.after(),
        )
        after = self._errors(self.network, z, val)
        shown = Images(aux.x[: len(val.x)], aux.y[: len(val.x)])
        seen = self._errors(self.network, released(target, shown), shown)[-1]
        return Fit(
            curve=tuple(curve),
            verdict=verdict(curve, guess_error(aux, val)),
            course=Course(errors=shorter.shares(length.total) | {1.0: after[-1]}, seen=seen),
            details={f"mse_after_{k}": float(error.mean()) for k, error in enumerate(after)},
        )

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct by decoder and corrections."""
        if self.network is None:
            raise RuntimeError("unrolled: fit it before it reconstructs")
        return torch.cat([self._images(self.network, chunk.float())[-1] for chunk in z.split(CHUNK)])

    def _begin(self, target: Target, aux: Images) -> Corrected:
        """Return the untrained network, which reconstructs the mean image; keep how releases are read."""
        shown = Images(aux.x[:STATISTICS], aux.y[:STATISTICS])
        z, start = released(target, shown), mean_image(aux.x) / 255
        self.reader = Reader(target, z)
        self.slope = Slope(target, start.expand(len(z), -1, -1, -1), z)
        read = self.reader(z[:1]).z
        activation = (read.shape[1], read.shape[2], read.shape[3])
        decoder = UnetDecoder(activation, start, target.num_classes, self.width, self.blocks, self.attention)
        network = Corrected(decoder, self.correction_width, self.patch, self.corrections)
        return network.to(z.device).to(memory_format=torch.channels_last)

    def _step(
        self, network: Corrected, average: Average[Corrected], x: Tensor, optimiser: torch.optim.Optimizer
    ) -> Tensor:
        """Take one step on images ``(B, 3, height, width)``; return the last image's loss, detached."""
        made = network(self.reader.target.release(x), self.reader, self.slope)
        errors = torch.stack([(x_hat - x).square().mean() for x_hat in made])
        optimiser.zero_grad(set_to_none=True)
        errors.mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        average.update(network)
        return errors[-1].detach()

    @torch.no_grad()
    def _images(self, network: Corrected, z: Tensor) -> list[Tensor]:
        return [x_hat.clamp(0, 1) for x_hat in network(z, self.reader, self.slope)]

    def _errors(self, network: Corrected, z: Tensor, images: Images) -> Tensor:
        """Return each image's mean squared error after each step, ``(K + 1, N)``, on releases ``(N, C, H, W)``."""
        pairs = zip(z.split(CHUNK), images.x.split(CHUNK), strict=True)
        made = [torch.stack(self._images(network, part)) - unit(x) for part, x in pairs]
        return torch.cat([error.square().mean(dim=(2, 3, 4)) for error in made], dim=1)
