"""The strong decoding attack: a large conditioned network trained to convergence, once for mse and once for ssim.

References:
    Ronneberger, Fischer, Brox, U-Net: convolutional networks for biomedical image segmentation, 2015.
    Perez, Strub, de Vries, Dumoulin, Courville, FiLM: visual reasoning with a general conditioning layer, 2018.
    Zhao, Gallo, Frosio, Kautz, Loss functions for image restoration with neural networks, 2017.
"""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from attacks.base import Attack, Course, Fit, Images, Knowledge, Point, Span, Target, Tunable
from attacks.branches import Branches
from attacks.fitting import CHUNK, NOTHING, Average, Plan, Stable, guess_error, mirrored, plan, released, train, unit
from attacks.guesses import mean_image
from attacks.metrics import ssim
from attacks.networks import UnetDecoder
from attacks.precision import autocast
from attacks.ranges import at_least, positive, share
from attacks.reading import Read, Reader
from attacks.verdict import verdict

STATISTICS = 2048
"""Most of the attacker's images whose releases standardise the input."""

IMPROVED = 0.005
"""Relative fall of the validation error over ``patience`` epochs, below which the learning rate begins to fall."""

WARM_UP, LEAST_WARM_UP = 0.02, 50
"""Share of the steps over which the learning rate rises, and the least number, as far as that is under a third."""

CLIP = 1.0
"""Largest norm of a step's gradient: far above the usual one, so that only an outburst is cut."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From reconstructions and images, both ``(B, 3, height, width)``: each image's loss, ``(B,)``."""


class _Trained(NamedTuple):
    """A network after its training."""

    network: UnetDecoder
    """Of those met, the one with the least error on attacker-validation."""
    curve: list[Point]
    shorter: dict[float, Tensor]
    """Errors ``(V,)`` of shorter trainings by the share of the steps."""


class DecoderXl(Attack):
    """Regresses images on standardised releases, the predicted label and log sigma, with fresh noise for every batch.

    The average of the weights over steps reconstructs; of the averages at each validation, the one with the least error
    on attacker-validation. A copy of it is trained further for ssim, and kept where that is highest. Where the defense
    hides features, the network also sees which values may be hidden ones; where it adds noise of its own, how much each
    feature has.

    The budget is ``epochs`` over the attacker's images, cut off after ``steps`` steps if that is less; the branches of
    a quarter and of half the steps for mse (:mod:`attacks.branches`) come on top.

    Args:
        width: Channels at the highest scale; they double with each halving, up to four times; >= 1.
        blocks: Residual blocks of a scale, >= 1.
        attention: Longer side of the largest scale with self-attention; 0 for none.
        patch: Side of the square of pixels that the highest scale treats as one, >= 1.
        epochs: Passes over the attacker's images for mse and ssim together, at most, >= 1.
        steps: Optimiser steps for mse and ssim together, at most, >= 2; null for no such limit.
        patience: Epochs in which the validation error must fall by .5 %, or the learning rate falls at once, >= 1.
        batch_size: Images of a step, >= 1; at most a tenth of the attacker's images are taken.
        lr: Highest learning rate of AdamW, > 0; it rises over 2 % of the steps, at least 50, and falls over the last
            three tenths.
        weight_decay: Of AdamW, >= 0.
        ema: Decay of the average of weights, in [0, 1).
        flips: Whether images are mirrored at random, and released so, of data whose mirrored images are as likely
            (``Target.mirrors``): for many passes.
        ssim_share: Share of the steps that train the copy for ssim, in [0, 1); without one, mse's network serves both.
    """

    reference = "Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015"
    threat = (
        "The server, which knows its own network and the noise, sends images of its own through a client and sees the "
        "releases."
    )
    cost = "one long training on the attacker's images and two short branches of it; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    needs_server = True
    labels_alone = True
    version = 8
    width_setting = "width"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {
            "width": 8, "blocks": 1, "attention": 8, "patch": 1, "epochs": 24, "steps": 200, "patience": 20,
            "batch_size": 32, "lr": 6e-3, "weight_decay": 1e-4, "ema": 0.95, "flips": False, "ssim_share": 0.25,
        },
        "standard": {
            "width": 48, "blocks": 1, "attention": 0, "patch": 2, "epochs": 50, "steps": 10_000, "patience": 20,
            "batch_size": 32, "lr": 2e-3, "weight_decay": 1e-4, "ema": 0.998, "flips": True, "ssim_share": 0.2,
        },
        "strong": {
            "width": 64, "blocks": 3, "attention": 16, "patch": 1, "epochs": 300, "steps": None, "patience": 20,
            "batch_size": 256, "lr": 5e-4, "weight_decay": 1e-4, "ema": 0.999, "flips": True, "ssim_share": 0.3,
        },
    }  # fmt: skip
    tunable: ClassVar[dict[str, Tunable]] = {
        "lr": Span(1e-4, 1e-2, log=True),
        "weight_decay": Span(1e-5, 1e-1, log=True),
        "flips": (False, True),
    }

    def __init__(
        self,
        width: int,
        blocks: int,
        attention: int,
        patch: int,
        epochs: int,
        steps: int | None,
        patience: int,
        batch_size: int,
        lr: float,
        weight_decay: float,
        ema: float,
        flips: bool,
        ssim_share: float,
    ) -> None:
        at_least("decoder_xl", 0, attention=attention, weight_decay=weight_decay)
        at_least("decoder_xl", 1, width=width, blocks=blocks, patch=patch, epochs=epochs)
        at_least("decoder_xl", 1, patience=patience, batch_size=batch_size)
        at_least("decoder_xl", 2, steps=2 if steps is None else steps)
        positive("decoder_xl", lr=lr)
        share("decoder_xl", ema=ema, ssim_share=ssim_share)
        self.width, self.blocks, self.attention, self.patch = width, blocks, attention, patch
        self.epochs, self.steps, self.patience, self.batch_size = epochs, steps, patience, batch_size
        self.lr, self.weight_decay, self.ema = lr, weight_decay, ema
        self.flips, self.ssim_share = flips, ssim_share
        self.network: UnetDecoder | None = None
        self.network_for_ssim: UnetDecoder | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Train the network for mse, then a copy for ssim; validate both on one fixed release of ``val``."""
        network = self._begin(target, aux)
        reads = self._reads(target, val)

        def errors(network: UnetDecoder) -> Tensor:
            return self._of_images(_mse, network, reads, val)

        both = plan(len(aux.x), self.batch_size, self.epochs, self.steps)
        for_ssim = both._replace(total=round(self.ssim_share * both.total))
        for_mse = both._replace(total=max(1, both.total - for_ssim.total))
        found = self._trained(network, aux, for_mse, _mse, errors)
        tuned, details = found, dict[str, float]()
        if for_ssim.total:
            tuned = self._trained(
                found.network, aux, for_ssim, _l1_and_ssim, lambda n: self._of_images(_dissimilarity, n, reads, val)
            )
            names = {"ssim_start": found, "ssim_end": tuned}
            details = {
                name: float(self._of_images(ssim, one.network, reads, val).mean()) for name, one in names.items()
            }
        self.network, self.network_for_ssim = found.network, tuned.network
        shown = Images(aux.x[: len(val.x)], aux.y[: len(val.x)])
        seen = self._of_images(_mse, found.network, self._reads(target, shown), shown)
        course = Course(errors=found.shorter | {1.0: errors(found.network)}, seen=seen)
        own = verdict(found.curve, guess_error(aux, val))
        return Fit(curve=tuple(found.curve), verdict=own, course=course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct in float32 with the network trained for mse."""
        return self._reconstructed(self.network, z)

    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        """Reconstruct in float32 with the network trained for ssim."""
        return self._reconstructed(self.network_for_ssim, z)

    def behind(self, target: Target) -> Self:
        """Return this attack, fitted, as it reads a target with the same features and other noise."""
        other = copy.copy(self)
        other._reader = self._reader.of(target)
        return other

    def _read(self, x: Tensor) -> Read:
        """Return what is read of the releases of a training batch, ``(B, 3, height, width)``."""
        return self._reader(self._reader.target.release(x))

    def _begin(self, target: Target, aux: Images) -> UnetDecoder:
        """Return the untrained network, which reconstructs the mean image; keep the target and how it is read."""
        shown = Images(aux.x[:STATISTICS], aux.y[:STATISTICS])
        z = released(target, shown)
        self._reader = Reader(target, z, lambda: released(target, shown))
        read = self._reader(z[:1]).z
        activation = (read.shape[1], read.shape[2], read.shape[3])
        start = mean_image(aux.x) / 255
        sizes = (self.width, self.blocks, self.attention, self.patch)
        network = UnetDecoder(activation, start, target.num_classes, *sizes)
        return network.to(z.device).to(memory_format=torch.channels_last)

    def _reads(self, target: Target, images: Images) -> list[Read]:
        """Return one release of each image as the network reads it, in chunks."""
        return [self._reader(z) for z in released(target, images).split(CHUNK)]

    def _trained(
        self, start: UnetDecoder, aux: Images, length: Plan, loss: Loss, errors: Callable[[UnetDecoder], Tensor]
    ) -> _Trained:
        """Train a copy of a network; keep the average with the least error, or the start."""
        network = copy.deepcopy(start).train().requires_grad_(True)
        average = Average(network, self.ema)
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=self.weight_decay, fused=True)
        best = (float(errors(start).mean()), start)
        rate = Stable(length.total, max(WARM_UP, min(1 / 3, LEAST_WARM_UP / length.total)))

        def lr(step: int) -> float:
            return self.lr * rate(step)

        def step(x: Tensor) -> Tensor:
            return self._step(network, average, x, optimiser, loss)

        def validate() -> float:
            nonlocal best
            now = float(errors(average.network).mean())
            if now < best[0]:
                best = (now, copy.deepcopy(average.network))
            return now

        def ended(curve: Sequence[Point]) -> bool:
            taken = curve[-1].step
            if not rate.falls(taken) and _stalled(curve, self.patience * length.per_epoch):
                rate.fall(taken)
            return taken >= rate.total or not math.isfinite(curve[-1].validation)

        parts = (network, optimiser, average)
        shorter = Branches(aux.x, length, optimiser, lr, step, lambda: errors(average.network), parts)
        curve = train(
            aux.x,
            length,
            optimiser,
            lr=lr,
            step=step,
            validate=validate,
            ended=ended,
            after=shorter.after() if loss is _mse else NOTHING,
        )
        return _Trained(best[1], curve, shorter.shares(min(rate.total, length.total)))

    def _step(
        self,
        network: UnetDecoder,
        average: Average[UnetDecoder],
        x: Tensor,
        optimiser: torch.optim.Optimizer,
        loss: Loss,
    ) -> Tensor:
        """Take one step on images ``(B, 3, height, width)``; return its loss, detached."""
        target = self._reader.target
        if self.flips and target.mirrors:
            x = mirrored(x)
        read = self._read(x)
        with autocast(x.device, target.precision):
            x_hat = network(*read)
        error = loss(x_hat, x).mean()
        optimiser.zero_grad(set_to_none=True)
        error.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        average.update(network)
        return error.detach()

    def _of_images(self, loss: Loss, network: UnetDecoder, reads: Sequence[Read], images: Images) -> Tensor:
        """Return each image's loss, ``(N,)``; their releases come read in chunks."""
        x = images.x.split(CHUNK)
        with torch.no_grad(), autocast(images.x.device, self._reader.target.precision):
            x_hat = [network(*read) for read in reads]
        return torch.cat([loss(a.clamp(0, 1), unit(b)) for a, b in zip(x_hat, x, strict=True)])

    def _reconstructed(self, network: UnetDecoder | None, z: Tensor) -> Tensor:
        if network is None:
            raise RuntimeError("decoder_xl: fit it before it reconstructs")
        with torch.inference_mode():
            reads = [self._reader(chunk.float()) for chunk in z.split(CHUNK)]
            return torch.cat([network(*read).clamp(0, 1) for read in reads])


def _stalled(curve: Sequence[Point], patience: int) -> bool:
    """Return whether the validation error fell by less than ``IMPROVED`` over so many steps."""
    last = curve[-1]
    earlier = [point.validation for point in curve if point.step <= last.step - patience]
    best = min(point.validation for point in curve)
    return bool(earlier) and best > (1 - IMPROVED) * min(earlier)


def _mse(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean(dim=(1, 2, 3))


def _dissimilarity(x_hat: Tensor, x: Tensor) -> Tensor:
    return 1 - ssim(x_hat, x)


def _l1_and_ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    return 0.5 * (x_hat - x).abs().mean(dim=(1, 2, 3)) + 0.5 * (1 - ssim(x_hat, x))
