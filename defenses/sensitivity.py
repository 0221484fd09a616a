"""How strongly a deployed client's activation answers to its image.

References:
    Hutchinson, A Stochastic Estimator of the Trace of the Influence Matrix, 1989.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def deployed(client: nn.Module) -> Iterator[None]:
    """Put a network into eval mode for a while: no image depends on its batch, and no running statistic moves."""
    training = {module: module.training for module in client.modules()}
    client.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def squared_jacobian(client: nn.Module, x: Tensor) -> Tensor:
    """Return an unbiased estimate of every image's ``|J|_F^2``, ``(B,)``, that can be differentiated again.

    Hutchinson's: ``E |J'u|^2 = |J|_F^2`` for a normal u.

    Args:
        client: Maps images to activations.
        x: Images, ``(B, 3, height, width)``.
    """
    x = x.detach().requires_grad_()
    with deployed(client):
        z = client(x).float()
    (gradient,) = torch.autograd.grad(z, x, torch.randn_like(z), create_graph=True)
    return gradient.square().flatten(1).sum(1)


def squared_change(client: nn.Module, x: Tensor, deviation: float) -> Tensor:
    """Return the mean of ``|client(x + d) - client(x)|^2 / deviation^2`` over images, ``()``: ``|J|_F^2`` for small d.

    Args:
        client: Maps images to activations.
        x: Images in [0, 1], ``(B, 3, height, width)``.
        deviation: Standard deviation of the normal d, > 0, in the images' units.
    """
    step = deviation * torch.randn_like(x)
    with deployed(client):
        here, there = client(torch.cat([x, x + step])).float().flatten(1).chunk(2)
    change: Tensor = (there - here).square().sum(1).mean() / deviation**2
    return change
