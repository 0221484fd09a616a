"""Whether the likelihood shows an optimiser any way at all: where it is flat, an attack by gradients proves nothing.

References:
    Athalye, Carlini, Wagner, Obfuscated gradients give a false sense of security, 2018.
"""

import torch
from torch import Tensor

from attacks.base import Target

SHOWN = 16
"""Images looked at."""


def without_gradient(target: Target, start: Tensor, z: Tensor) -> tuple[str, ...]:
    """Return the flag of a surprise that has no gradient at a start: nought, or not finite, for most releases.

    Args:
        target: Whose surprise it is.
        start: An image in [0, 1], ``(1, 3, height, width)``, where the search begins.
        z: Releases, ``(B, C, H, W)``.
    """
    z = z[:SHOWN].float()
    x = start.float().expand(len(z), -1, -1, -1).clone().requires_grad_()
    with torch.enable_grad():
        nats = target.surprise(x, z).sum()
    if not nats.requires_grad:
        return ("no gradient",)
    (gradient,) = torch.autograd.grad(nats, x, allow_unused=True, materialize_grads=True)
    size = gradient.flatten(1).abs().amax(1)
    blind = (size == 0) | ~size.isfinite()
    return ("no gradient",) if float(blind.float().mean()) > 0.5 else ()
