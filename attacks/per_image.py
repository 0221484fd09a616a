"""Gradients of a network's parameters, for each image by itself.

References:
    He, Zou, functorch: JAX-like composable function transforms for PyTorch, 2021.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap


def per_image_gradients(module: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the gradients of each image's cross-entropy by parameter, ``(B, *shape)``; differentiable in x.

    The network is left as it is; it must be in eval mode, deterministic, and treat images apart. They take B times the
    memory of its parameters.

    Args:
        module: Maps ``(B, ...)`` to logits, ``(B, num_classes)``.
        x: What it is given, ``(B, ...)``.
        y: Labels, int64, ``(B,)``.
    """
    buffers = dict(module.named_buffers())

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        logits = functional_call(module, (parameters, buffers), (x[None],))
        return F.cross_entropy(logits.float(), y[None])

    # detached: whoever differentiates in x pays nothing for second derivatives in the parameters
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    found: dict[str, Tensor] = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    return found
