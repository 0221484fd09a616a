"""The confidence probe: images from nothing but the predicted probabilities, the floor of any system that answers.

References:
    Fredrikson, Jha, Ristenpart, Model inversion attacks that exploit confidence information and basic countermeasures,
    2015.
    Yang, Zhang, Chang, Liang, Neural network inversion in adversarial setting via background knowledge alignment, 2019.
"""

import copy
import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Evidence, Images, Knowledge, Point, Probe, ProbeAttack, Target
from attacks.counted import counted
from attacks.guesses import class_mean, mean_image
from attacks.metrics import means, score
from attacks.networks import VectorNetwork
from attacks.precision import autocast
from attacks.ranges import at_least, positive
from attacks.verdict import verdict

ROUNDINGS = (0.0, 0.01, 0.1)
"""What probabilities are rounded to, as a countermeasure; 0 for not at all."""

LEAST_PROBABILITY = 1e-6
"""What stands in for smaller ones before the logarithm."""

CURVE_POINTS = 20
VALIDATED = 256
"""Images of attacker-validation that a point of the curve is measured on, at most."""

CHUNK = 512


class Reader(nn.Module):
    """Draws images from logarithms of probabilities, standardised by the attacker's own under each rounding.

    Args:
        answers: Probabilities of the attacker's images, ``(draws, N, num_classes)``.
        mean: Their mean image, ``(1, 3, height, width)``.
        channels: Width of the network, >= 1.
    """

    steps: Tensor
    centre: Tensor
    std: Tensor

    def __init__(self, answers: Tensor, mean: Tensor, channels: int) -> None:
        super().__init__()
        num_classes = answers.shape[-1]
        self.drawing = VectorNetwork(num_classes + len(ROUNDINGS), mean, channels)
        logs = [_logarithms(answers.flatten(0, 1), torch.tensor(r, device=answers.device)) for r in ROUNDINGS]
        std, centre = zip(*(torch.std_mean(each, dim=0, correction=0) for each in logs), strict=True)
        self.register_buffer("steps", torch.tensor(ROUNDINGS))
        self.register_buffer("centre", torch.stack(centre))
        self.register_buffer("std", torch.stack(std).clamp_min(1e-3))

    def forward(self, answers: Tensor, rounding: Tensor) -> Tensor:
        """Return images of probabilities ``(B, num_classes)`` under the roundings of indices ``(B,)``."""
        logs = _logarithms(answers, self.steps[rounding][:, None])
        told = F.one_hot(rounding, len(ROUNDINGS)).to(logs)
        image: Tensor = self.drawing(torch.cat([(logs - self.centre[rounding]) / self.std[rounding], told], dim=1))
        return image

    @torch.no_grad()
    def read(self, answers: Tensor, rounding: int) -> Tensor:
        """Return images of probabilities ``(N, num_classes)``; what is not finite counts as black."""
        index = torch.full((len(answers),), rounding, device=answers.device)
        pairs = zip(answers.split(CHUNK), index.split(CHUNK), strict=True)
        return torch.cat([self(*pair) for pair in pairs]).nan_to_num()


class Confidence(ProbeAttack):
    """Regresses images on logarithms of probabilities, mean squared error; the probabilities are those of releases.

    The network is the one with the least error on attacker-validation. One serves all roundings: it is trained on a
    third of each and told which one it sees, so that an attacker who knows the countermeasure is meant (the share that
    a network for one rounding alone would gain is given away).

    Scores: ``mse``, in [0, 1] units, less leaks more; ``psnr`` (dB, at most 100) and ``ssim`` ([-1, 1]), more leaks
    more. ``mse_rounded_0.01`` and ``mse_rounded_0.1``: the same mse with probabilities rounded to hundredths and
    tenths. ``mse_class_mean``: that of the mean of the attacker's images of the predicted class; ``mse_mean_image``:
    that of the mean of all, which no answer is needed for.

    Args:
        channels: Width of the network, >= 1.
        draws: Releases of each of the attacker's images, >= 1.
        steps: Optimiser steps, >= 1.
        batch_size: Images of a step, >= 1.
        lr: Highest learning rate of Adam, > 0; falls to nought by a cosine.
    """

    reference = "Fredrikson, Jha, Ristenpart, Model inversion attacks that exploit confidence information, 2015"
    threat = "Whoever is told the predicted probabilities, and may have images of their own predicted, wants the image."
    cost = "one training of a small network on the attacker's images; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    needs_server = True
    version = 2
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"channels": 16, "draws": 1, "steps": 200, "batch_size": 32, "lr": 3e-3},
        "standard": {"channels": 32, "draws": 1, "steps": 400, "batch_size": 64, "lr": 3e-3},
        "strong": {"channels": 128, "draws": 8, "steps": 20000, "batch_size": 256, "lr": 1e-3},
    }

    def __init__(self, channels: int, draws: int, steps: int, batch_size: int, lr: float) -> None:
        at_least("confidence", 1, channels=channels, draws=draws, steps=steps, batch_size=batch_size)
        positive("confidence", lr=lr)
        self.channels, self.draws, self.steps, self.batch_size, self.lr = channels, draws, steps, batch_size, lr

    def probe(self, target: Target, evidence: Evidence) -> Probe:
        """Train on ``aux``, follow ``val``, and reconstruct every scored image."""
        aux, val = evidence.aux, Images(*(part[:VALIDATED] for part in evidence.val))
        answers = torch.stack([probabilities(target, aux.x) for _ in range(self.draws)])
        reader = Reader(answers, mean_image(aux.x) / 255, self.channels).to(aux.x.device)
        curve = self._train(reader, target, answers, aux, val)
        guess = float((_unit(val.x) - mean_image(aux.x) / 255).square().mean())
        return Probe(
            scores=_scores(reader, target, evidence),
            verdict=verdict(curve, guess),
            images=len(evidence.scored.x),
            curve=tuple(curve),
        )

    def _train(self, reader: Reader, target: Target, answers: Tensor, aux: Images, val: Images) -> list[Point]:
        optimiser = torch.optim.Adam(reader.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        val_answers = probabilities(target, val.x)
        noted = {max(1, round(self.steps * (i + 1) / CURVE_POINTS)) for i in range(CURVE_POINTS)}
        least, kept = math.inf, reader.state_dict()
        curve: list[Point] = []
        losses: list[Tensor] = []
        for step in counted(range(1, self.steps + 1), kept=noted):
            losses.append(self._step(reader, target, answers, aux.x, optimiser))
            schedule.step()
            if step in noted:
                error = float(F.mse_loss(reader.read(val_answers, 0), _unit(val.x)))
                if error < least:
                    least, kept = error, copy.deepcopy(reader.state_dict())
                curve.append(Point(step, float(torch.stack(losses).mean()), least))
                losses.clear()
        reader.load_state_dict(kept)
        return curve

    def _step(
        self, reader: Reader, target: Target, answers: Tensor, x: Tensor, optimiser: torch.optim.Optimizer
    ) -> Tensor:
        """Take one step on random images, releases of them and roundings; return its loss, detached."""
        image, draw, rounding = (
            torch.randint(count, (self.batch_size,), device=x.device) for count in (len(x), self.draws, len(ROUNDINGS))
        )
        with autocast(x.device, target.precision):
            x_hat = reader(answers[draw, image], rounding)
        loss = F.mse_loss(x_hat, _unit(x[image]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()


def probabilities(target: Target, x: Tensor) -> Tensor:
    """Return the server's answers to fresh releases of uint8 images, ``(N, num_classes)``."""
    with torch.no_grad():
        chunks = [target.server(target.release(_unit(chunk))).softmax(dim=1) for chunk in x.split(CHUNK)]
    return torch.cat(chunks)


def _scores(reader: Reader, target: Target, evidence: Evidence) -> dict[str, float]:
    x, answers = _unit(evidence.scored.x), probabilities(target, evidence.scored.x)
    scores = means(score(reader.read(answers, 0), x))
    for rounding, step in enumerate(ROUNDINGS[1:], start=1):
        scores[f"mse_rounded_{step:g}"] = means(score(reader.read(answers, rounding), x))["mse"]
    by_class = class_mean(_unit(evidence.aux.x), evidence.aux.y, target.num_classes)
    scores["mse_class_mean"] = means(score(by_class[answers.argmax(1)], x))["mse"]
    scores["mse_mean_image"] = means(score((mean_image(evidence.aux.x) / 255).expand_as(x), x))["mse"]
    return scores


def _logarithms(answers: Tensor, step: Tensor) -> Tensor:
    """Return logarithms of probabilities rounded to multiples of ``step``; 0 counts as half a step."""
    rounded = (answers / step.clamp_min(LEAST_PROBABILITY)).round() * step
    return torch.where(step > 0, rounded, answers).maximum((step / 2).clamp_min(LEAST_PROBABILITY)).log()


def _unit(x: Tensor) -> Tensor:
    """Turn uint8 images into float32 ones in [0, 1]."""
    return x.float() / 255
