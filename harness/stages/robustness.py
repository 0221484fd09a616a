"""Accuracy under small changes of an image that are made to mislead the network: the robust accuracy of a trial.

An image is moved within ``EPSILON`` of itself, pixel by pixel, by projected gradient descent on the margin of its
label: ``STEPS`` steps of ``STRIDE`` from a random start, once. Whoever moves it knows client, defense and server, noise
included, and moves second; each step looks at ``DRAWN`` fresh releases, the gradient going through what is expected of
one. The image that this ends at is then named by fresh releases, as accuracy is. It is a strong attack's accuracy, not
the strongest's: an upper bound on what is left to the strongest.

References:
    Madry, Makelov, Schmidt, Tsipras, Vladu, Towards Deep Learning Models Resistant to Adversarial Attacks, 2018.
    Athalye, Carlini, Wagner, Obfuscated Gradients Give a False Sense of Security, 2018 (expectation over noise, and
    gradients through what is expected where there are none of its own).
    Reducing information dependency does not cause training data privacy. Adversarially non-robust features do, 2026:
    robust accuracy as that which predicts what inversion of a model finds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from harness.data import Part, to_float
from harness.models import LiveTarget

NAMES = ("robust_accuracy",)
EPSILON = 2 / 255
"""Most that a value of an image in [0, 1] is changed by."""
STEPS = 7
STRIDE = 2.5 * EPSILON / STEPS
"""How far a step goes: all of them together from end to end of what is allowed."""
DRAWN = 1
"""Releases of each image in a step."""
DRAWS = 5
"""Releases of each image that are named in the end."""
IMAGES = 200
"""Most images, the first ones of the part."""
DEAD = 0.05
"""Share of images without a gradient from which there is no saying."""


class Told(NamedTuple):
    """The robust accuracy, by ``NAMES``."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    """Why it is null, by its name."""


def robustness(target: LiveTarget, scored: Part) -> Told:
    """Return the share of images in [0, 1] that are named rightly after they were moved, noise on.

    Images that no release names rightly as they are stay where they are. Draws noise from the global RNG.

    Args:
        target: The trained network; the one that is differentiated is that in float32.
        scored: Images and labels, of which the first ``IMAGES`` are taken.

    Returns:
        The number; null where no gradient reaches more than ``DEAD`` of the images.
    """
    x, y = to_float(scored.x[:IMAGES]), scored.y[:IMAGES]
    named = _right(target, x, y) > 0
    if not named.any():  # a user's network need not take an empty batch
        return Told({NAMES[0]: 0.0}, {})
    kept, labels, exact = x[named], y[named], target.differentiated()
    dead = int((_slope(exact, kept, labels).flatten(1).abs().sum(1).nan_to_num(0.0) == 0).sum())
    if dead > DEAD * len(kept):
        why = f"no gradient of the network reaches {dead} of {len(kept)} images that it names rightly"
        return Told(dict.fromkeys(NAMES), dict.fromkeys(NAMES, why))
    right = _right(target, misleading(exact, kept, labels), labels).sum()
    return Told({NAMES[0]: float(right) / len(y)}, {})


def misleading(target: LiveTarget, x: Tensor, y: Tensor) -> Tensor:
    """Return images within ``EPSILON`` of these and in [0, 1], moved against their labels, ``(N, C, H, W)``."""
    moved = (x + EPSILON * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(STEPS):
        step = STRIDE * _slope(target, moved, y).sign()
        moved = torch.minimum(torch.maximum(moved - step, x - EPSILON), x + EPSILON).clamp(0, 1)
    return moved


@torch.no_grad()
def _right(target: LiveTarget, x: Tensor, y: Tensor) -> Tensor:
    """Return the share of an image's releases that are named rightly, ``(N,)``."""
    return torch.stack([(target.server(z).argmax(1) == y).float() for z in target.release(x, DRAWS)]).mean(0)


def _slope(target: LiveTarget, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradient of the margins of labels at fresh releases, through the expected release.

    A margin does not flatten where the network is sure, as a cross-entropy would.
    """
    x = x.detach().requires_grad_()
    activation = target.activation(x)
    expected = target.defense.mean(activation)
    margin = x.new_zeros(())
    for _ in range(DRAWN):
        with torch.no_grad():
            z = target.defense(activation) + target.sigma * torch.randn_like(activation)
        logits = target.server(expected + (z - expected).detach())
        own = logits.gather(1, y[:, None])[:, 0]
        margin = margin + (own - logits.scatter(1, y[:, None], -torch.inf).amax(1)).sum()
    if not margin.requires_grad:
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(margin, x, allow_unused=True)
    return torch.zeros_like(x) if slope is None else slope
