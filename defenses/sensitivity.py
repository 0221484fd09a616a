"""How strongly a client's activation answers to its image.

Of a client with batch norms only what changes its function counts. Behind a norm the size of the weights before it does
not: with the running statistics as constants a penalty would shrink them, which the norm undoes in the next step. So
norms here take the statistics of the images themselves, as in training, which move with the weights and not with the
change of an image that is probed.

References:
    Hutchinson, A Stochastic Estimator of the Trace of the Influence Matrix, 1989.
    Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift,
    2015.
"""

from collections.abc import Callable, Iterator
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


@contextmanager
def normalised_by_first_half(client: nn.Module) -> Iterator[None]:
    """Let a network's batch norms take the statistics of a batch's first half for all of it; no running one moves."""
    norms = [module for module in client.modules() if isinstance(module, nn.BatchNorm2d)]
    with deployed(client):
        for norm in norms:
            norm.__dict__["forward"] = _by_first_half(norm)
        try:
            yield
        finally:
            for norm in norms:
                del norm.__dict__["forward"]


def squared_jacobian(client: nn.Module, x: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Return an unbiased estimate of every image's ``|W J|_F^2``, ``(B,)``, that can be differentiated again.

    Hutchinson's: ``E |J'u|^2 = |J|_F^2`` for a normal u.

    Args:
        client: Maps images to activations.
        x: Images, ``(B, 3, height, width)``.
        weight: W, diagonal, of one activation's shape or broadcast to it.
    """
    still, moving = x.detach(), x.detach().requires_grad_()
    with normalised_by_first_half(client):
        z = client(torch.cat([still, moving])).float()[len(x) :]
    (gradient,) = torch.autograd.grad(z, moving, weight * torch.randn_like(z), create_graph=True)
    return gradient.square().flatten(1).sum(1)


def log_volumes(client: nn.Module, x: Tensor) -> Tensor:
    """Return every image's ``1/2k log det(J J')``, nats a feature, ``(B,)``; J is exact, ``(k, pixels)``.

    k features of fewer pixels than there are features, or features that answer alike, have no volume: a ridge of a
    millionth of their mean squared sensitivity stands in. Norms take their running statistics: it is the client as
    deployed. It costs k passes back through the client for each image.

    Args:
        client: Maps images to activations.
        x: Images, ``(B, 3, height, width)``.
    """
    moving = x.detach().requires_grad_()
    with deployed(client), torch.enable_grad():
        z = client(moving).float().flatten(1)
        rows = [
            torch.autograd.grad(z, moving, each[:, None].expand(-1, *z.shape), retain_graph=True, is_grads_batched=True)
            for each in torch.eye(z.shape[1], dtype=z.dtype, device=z.device).split(AT_ONCE)
        ]
    jacobians = torch.cat([slopes for (slopes,) in rows]).flatten(2).transpose(0, 1).double()
    grams = jacobians @ jacobians.mT
    ridge = RIDGE * grams.diagonal(dim1=1, dim2=2).mean(1).clamp(min=TINY**2)
    grams.diagonal(dim1=1, dim2=2).add_(ridge[:, None])
    volumes: Tensor = torch.linalg.slogdet(grams).logabsdet / (2 * z.shape[1])
    return volumes.float()


def directional_change(client: nn.Module, x: Tensor, direction: Tensor, step: float) -> Tensor:
    """Return ``(client(x + step direction) - client(x)) / step``, of an activation's shape: J times it for small steps.

    Args:
        client: Maps images to activations.
        x: Images in [0, 1], ``(B, 3, height, width)``.
        direction: Of their shape.
        step: > 0.
    """
    with normalised_by_first_half(client):
        here, there = client(torch.cat([x, x + step * direction])).float().chunk(2)
    change: Tensor = (there - here) / step
    return change


def lipschitz_ratios(blocks: list[nn.Module], x: Tensor, deviation: float) -> list[Tensor]:
    """Return for each of a client's blocks by how much it enlarges a change of images, the most over them, ``()`` each.

    ``|f_i..f_1(x + d) - f_i..f_1(x)| / |f_i-1..f_1(x + d) - f_i-1..f_1(x)|``, for the first block over ``|d|``.

    Args:
        blocks: One after the other they are the client.
        x: Images in [0, 1], ``(B, 3, height, width)``.
        deviation: Standard deviation of the normal d, > 0, in the images' units.
    """
    both = torch.cat([x, x + deviation * torch.randn_like(x)])
    before, ratios = _change(both), []
    for block in blocks:
        with normalised_by_first_half(block):
            both = block(both.clone())  # a block may begin with an operation in place
        after = _change(both)
        ratios.append((after / before.clamp(min=TINY)).amax())
        before = after
    return ratios


TINY = 1e-6
"""Least change, which keeps ratio and gradient finite where a block is constant."""
RIDGE = 1e-6
"""Share of the mean squared sensitivity of features that each has at least of its own."""
AT_ONCE = 64
"""Features whose rows of a Jacobian are taken at once."""


def _change(both: Tensor) -> Tensor:
    here, there = both.float().flatten(1).chunk(2)
    return ((there - here).square().sum(1) + TINY**2).sqrt()


def _by_first_half(norm: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    def forward(h: Tensor) -> Tensor:
        first = h[: len(h) // 2].float()
        variance, mean = torch.var_mean(first, dim=(0, 2, 3), correction=0)
        scale = (variance + norm.eps).rsqrt() * norm.weight
        return h.float() * scale.view(1, -1, 1, 1) + (norm.bias - mean * scale).view(1, -1, 1, 1)

    return forward
