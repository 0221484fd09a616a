"""What the server can compute of a release and its label that may tell whether it was trained on.

References:
    Nasr, Shokri, Houmansadr, Comprehensive privacy analysis of deep learning: passive and active white-box inference
    attacks against centralized and federated learning, 2019.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Target
from attacks.per_image import per_image_gradients


def features(target: Target, server: nn.Module, z: Tensor, y: Tensor) -> Tensor:
    """Return features of releases, ``(B, F)``: five of the answer, and logarithms of norms.

    Args:
        target: Whose server answers.
        server: The server itself.
        z: Releases, ``(B, C, H, W)``.
        y: True labels, ``(B,)``.
    """
    z = z.detach().requires_grad_()
    logits = target.server(z)
    losses = F.cross_entropy(logits, y, reduction="none")
    (slope,) = torch.autograd.grad(losses.sum(), z)
    gradients = per_image_gradients(server, z.detach(), y)
    norms = [z.detach(), slope, *gradients.values()]
    with torch.no_grad():
        answer = _answer(logits, losses, y)
        return torch.cat([answer, *((_norm(each) + 1e-8).log()[:, None] for each in norms)], dim=1)


def _answer(logits: Tensor, losses: Tensor, y: Tensor) -> Tensor:
    """Return losses with the true and the predicted label, entropy, highest logit and margin, ``(B, 5)``."""
    logs = logits.log_softmax(1)
    own = logits.gather(1, y[:, None])[:, 0]
    # far below any logit, but finite: with a single class there is no other
    others = logits.scatter(1, y[:, None], -1e4).amax(1)
    entropy = -(logs.exp() * logs).sum(1)
    return torch.stack([losses, -logs.amax(1), entropy, logits.amax(1), own - others], dim=1)


def _norm(each: Tensor) -> Tensor:
    norms: Tensor = each.flatten(1).norm(dim=1)
    return norms
