"""A substitute for a client that nobody may ask: trained until its releases look like those that went by.

References:
    Xu, Yang, Ji, Wang, A stealthy wrongdoer: feature-oriented reconstruction attack against split learning, 2024.
    Gretton, Borgwardt, Rasch, Schölkopf, Smola, A kernel two-sample test, 2012.
    Goodfellow et al., Generative adversarial nets, 2014.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import Images, Target
from attacks.counted import counted
from attacks.fitting import channel_statistics, one_cycle, unit
from attacks.precision import autocast
from attacks.query_free import ShadowClient

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Squares of the kernels' widths over the mean squared distance of two releases."""

BETAS = (0.5, 0.99)
"""Of Adam, for two networks that play against each other."""


class Alignment(NamedTuple):
    """How a substitute is trained."""

    width: int
    """Channels of its first convolution and of the judge's, >= 1."""
    steps: int
    """Training steps, >= 1."""
    batch_size: int
    """Images, and releases that went by, of a step, >= 2."""
    lr: float
    """Highest learning rate of Adam, > 0; one cycle."""
    match: float
    """Weight of the discrepancy of both kinds of releases, >= 0."""
    judged: float
    """Weight of what the judge says, >= 0."""


class Substitute:
    """A client of the attacker's own, behind the true defense and channel.

    Args:
        target: The network under attack, of which only shapes, defense, channel and server are used.
        client: Maps images in [0, 1] to activations.
    """

    def __init__(self, target: Target, client: nn.Module) -> None:
        self.target, self.client = target, client

    def release(self, x: Tensor) -> Tensor:
        """Return releases of images ``(B, 3, height, width)``, differentiable, ``(B, C, H, W)``."""
        with autocast(x.device, self.target.precision):
            activation = self.client(x)
        z: Tensor = self.target.defense(activation.float())
        return z + self.target.sigma * torch.randn_like(z)


class Judge(nn.Module):
    """Tells releases that went by, above 0, from a substitute's, below.

    Args:
        num_in: Channels of a release.
        width: Channels of its first convolution, >= 1.
    """

    def __init__(self, num_in: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(num_in, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return log-odds ``(B,)`` of standardised releases ``(B, C, H, W)``."""
        score: Tensor = self.body(z).mean(dim=(1, 2, 3))
        return score


def discrepancy(a: Tensor, b: Tensor) -> Tensor:
    """Return an unbiased estimate of the squared maximum mean discrepancy of two laws, by a mean of Gaussian kernels.

    Nought in expectation if both are the same; at most 2.

    Args:
        a: Draws from the one, ``(N, D)``, N >= 2.
        b: As many of the other.
    """
    both = torch.cat([a, b])
    squares = (both[:, None] - both[None]).square().mean(dim=2)
    usual = squares.detach().mean().clamp_min(1e-20)
    kernels = torch.stack([(-squares / (width * usual)).exp() for width in WIDTHS]).mean(0)
    count = len(a)
    within = sum(part.sum() - part.trace() for part in (kernels[:count, :count], kernels[count:, count:]))
    found: Tensor = within / (count * (count - 1)) - 2 * kernels[:count, count:].mean()
    return found


def aligned(target: Target, aux: Images, overheard: Tensor, how: Alignment) -> Substitute:
    """Return a substitute whose releases the server classifies, and nobody tells from those that went by.

    Args:
        target: The network under attack.
        aux: The attacker's own images.
        overheard: Releases of private images, ``(N, C, H, W)``.
        how: The training.
    """
    shadow = ShadowClient(target.image_shape, target.activation_shape, how.width, target.extent)
    shadow = shadow.to(aux.x.device).to(memory_format=torch.channels_last)
    substitute, judge = Substitute(target, shadow), Judge(overheard.shape[1], how.width).to(aux.x.device)
    own, other = (torch.optim.Adam(net.parameters(), betas=BETAS, fused=True) for net in (shadow, judge))
    mean, deviation = channel_statistics(overheard)
    for step in counted(range(how.steps)):
        for group in (*own.param_groups, *other.param_groups):
            group["lr"] = how.lr * one_cycle(step, how.steps, 1)
        chosen, met = (torch.randint(len(pool), (how.batch_size,), device=aux.x.device) for pool in (aux.x, overheard))
        z = substitute.release(unit(aux.x[chosen]))
        made, real = (z - mean) / deviation, (overheard[met] - mean) / deviation
        _descend(other, judge, F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean())
        # the last term is nought: a server that ignores z has no gradient at all
        loss = F.cross_entropy(target.server(z), aux.y[chosen]) + 0 * z.sum()
        loss = loss + how.match * discrepancy(made.flatten(1), real.flatten(1))
        _descend(own, shadow, loss + how.judged * F.softplus(-judge(made)).mean())
    shadow.eval()
    return substitute


def _descend(optimiser: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
    parameters = list(network.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
