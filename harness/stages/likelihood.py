"""How likely the release makes a reconstruction: what an attacker who holds the client may choose among attacks by."""

import torch
from torch import Tensor

from attacks.likelihood import effective_sigma
from harness.models import LiveTarget
from harness.stages.measuring import CHUNK


@torch.no_grad()
def surprises(target: LiveTarget, x_hat: Tensor, z: Tensor) -> Tensor | None:
    """Return the negative log-likelihood of releases if the images were their reconstructions, nats, ``(N,)``.

    By the defense's exact law, up to a constant that all reconstructions from a release share; None where that law is
    not known, or some features are released as they are.

    Args:
        target: The network under attack.
        x_hat: Reconstructions in [0, 1], ``(N, 3, height, width)``.
        z: What they were made from, ``(N, C, H, W)``.
    """
    if target.defense.law(target.sigma) not in ("gaussian", "surprise"):
        return None
    sigma = effective_sigma(target)
    chunks = zip(x_hat.split(CHUNK), z.split(CHUNK), strict=True)
    return torch.cat([target.defense.exact_surprise(each, target.activation(x), sigma) for x, each in chunks])
