"""What stands behind an attack's verdict: how far it is from the best that its release allows, and what went wrong."""

from typing import NamedTuple

import torch
from torch import Tensor

from attacks import gains as shares
from attacks.base import Attack, Fit, Verdict
from attacks.correction import corrected
from attacks.guesses import mean_image
from attacks.metrics import score
from attacks.slope import without_gradient
from attacks.verdict import beside_guess
from harness.data import AttackSplit, to_float
from harness.models import LiveTarget
from harness.records import Gains, Range
from harness.stages.measuring import releases
from harness.stages.reconstructions import Reconstructed

COMPARED = 256
"""Images of attacker-validation, at most, whose errors a record keeps one by one."""

CORRECTED = 400
"""Images, at most, that a correction is learnt and measured on."""

SEEN = "attacker-validation was seen"


class Judged(NamedTuple):
    """An attack's verdict by itself, and what it rests on."""

    verdict: Verdict
    gains: Gains
    errors: tuple[float, ...]
    """Mean squared errors of the first images of attacker-validation."""


def evidence(
    attack: Attack,
    fit: Fit,
    selection: Reconstructed,
    split: AttackSplit,
    targets: tuple[LiveTarget, LiveTarget],
    seed: int,
) -> Judged:
    """Return an attack's verdict beside the mean of the images that it was fitted on, and by its remainder.

    Args:
        attack: Fitted.
        fit: What it says of that.
        selection: What it made of attacker-validation, finite.
        split: Its images.
        targets: The network as it released, and as the attack saw it.
        seed: The trial's.
    """
    guess, own = mean_image(split.fit.x) / 255, selection.per_image.mse
    z = releases(targets[0], selection.part, seed)[: len(own)]
    x = to_float(selection.part.x)
    better = shares.improvement(own, score(guess.expand_as(x), x).mse)
    found = shares.gains(fit.course, own, _corrected(selection, z, x))
    flags = [*fit.course.flags, *(without_gradient(targets[1], guess, z) if attack.knowledge == "gradients" else ())]
    if split.selection.digest == split.fit.digest or split.part in ("train", "infer"):
        flags.append(SEEN)
    return Judged(
        verdict=beside_guess(fit.verdict, better, found.remainder),
        gains=Gains(
            steps=_range(found.steps),
            correction=_range(found.correction),
            remainder=_range(found.remainder),
            worse_than_truth=fit.course.worse_than_truth,
            flags=tuple(flags),
            reasons=dict(found.reasons),
        ),
        errors=tuple(float(f"{error:.6g}") for error in own[:COMPARED].tolist()),
    )


def _corrected(selection: Reconstructed, z: Tensor, x: Tensor) -> Tensor | None:
    count = min(CORRECTED, len(z))
    with torch.no_grad():
        left = corrected(selection.x_hat[:count].float(), z[:count].float(), x[:count])
    return left


def _range(found: "shares.Range | None") -> Range | None:
    return None if found is None else Range(value=found.value, low=found.low, high=found.high)
