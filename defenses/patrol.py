"""PATROL as its paper describes it: adversarial reconstruction, a Lipschitz term and a pruned client.

References:
    Ding, Zhang, Pan, Yuan, PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion
    Attacks, WACV 2024; its authors' equations are those of their public repository, shiweiding's
    Privacy-Oriented-Pruning-for-Collaborative-Inference-Against-Model-Inversion-Attacks.
    Zhu and Gupta, To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression, 2017 (the
    schedule).
"""

from typing import Any

import torch
from torch import Tensor, nn

from attacks.networks import InverseNetwork
from defenses import adversary, pruning
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.ranges import number, whole
from defenses.sensitivity import TINY, lipschitz_ratios

DEVIATION = 0.01
"""Of the step by which the Lipschitz term probes an image, [0, 1] units."""
PROBED = 32
"""Images of a batch whose Lipschitz ratios are taken, the first ones, a random sample."""
FIRST_PRUNED, LAST_PRUNED = 0.1, 0.5
"""Shares of the training between which channels are pruned; the rest is fine-tuning."""


class Patrol(Defense):
    """Penalises ``beta * sum_i k_i - alpha * |x - g(z)|``, while channels of the client are pruned by a mask.

    g is a decoder that sees the noisy release and is trained beside the client to minimise the norm, here over the root
    of the number of values: the root mean square error of an image, averaged over images. ``k_i`` is the local
    Lipschitz ratio of the client's block i, ``sup_x |F_i(x + d) - F_i(x)| / |F_i-1(x + d) - F_i-1(x)|``, F_i the
    blocks up to i and F_0(x) = x, with ``d ~ N(0, .01^2)``, the supremum being the batch's largest:
    where the client is flat, inverting it is unstable. A block is a layer with weights and what follows without any;
    batch norms take the batch's statistics, so that what they scale back is left alone.

    Channels behind batch norms are scaled by a mask that is trained with the client. Between .1 and .5 of the training
    the share of pruned channels rises to ``prune`` by a cubic schedule, those of the smallest scale times mask first;
    the rest fine-tunes. Without batch norms nothing is pruned. At alpha 0 nothing is done at all.

    The losses and the mask are those of the authors' public equations; schedule, weights and the order of pruning are
    ours, since there is no code. They have a weight for every block, here one for all; their beta is ``alpha`` here.
    What pruning is for, a client one block deeper at the same cost, is the model's setting (``model/cut``): the study
    ``network-rows`` has it, and records what each client costs.

    Args:
        alpha: Weight of the adversarial term, >= 0.
        beta: Weight of the Lipschitz ratios, >= 0.
        prune: Share of the channels pruned in the end, in [0, .95].
        blocks: Residual blocks of g, >= 0.
        channels: Width of g, >= 1.
    """

    strength = "alpha"
    reference = (
        "Ding et al., PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion Attacks, "
        "WACV 2024"
    )
    version = 2
    faithful = "paper"
    cost = "adversarial: two passes forward and back through a decoder, two of a part of the batch through the client"

    adversary: InverseNetwork

    def __init__(
        self, alpha: float = 0.3, beta: float = 0.1, prune: float = 0.3, blocks: int = 4, channels: int = 64
    ) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.beta = number("beta", beta)
        self.prune = number("prune", prune, most=0.95)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.adversary = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)
        if self.alpha > 0:
            pruning.register(client, shapes, soft=True)

    def penalty(self, batch: Batch) -> Tensor:
        """Return the client's two terms; the gradient trains the adversary too."""
        if self.alpha == 0:
            return super().penalty(batch)
        against, learning = adversary.duel(self.adversary, batch.z)
        term = adversary.trained_by(_error(learning, batch.x)) - self.alpha * _error(against, batch.x)
        if self.beta == 0:
            return term
        ratios = lipschitz_ratios(blocks(batch.client), batch.x[:PROBED], DEVIATION)
        return term + self.beta * torch.stack(ratios).sum()

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return adversary.adam(self.adversary)

    def end_epoch(self, epoch: Epoch) -> None:
        share = self.prune * pruned_share(epoch.progress)
        for layer in pruning.layers(epoch.model).values():
            pruning.prune(layer, pruning.scale_importance(layer), round(share * layer.num_features))


def blocks(client: nn.Module) -> list[nn.Module]:
    """Return what a client does one after the other: layers with weights, each with the norms and so on behind it."""
    if not isinstance(client, nn.Sequential):
        return [client]
    found: list[list[nn.Module]] = [[]]
    for layer in client:
        if found[-1] and any(parameter.ndim > 1 for parameter in layer.parameters()):
            found.append([])
        found[-1].append(layer)
    return [nn.Sequential(*layers) for layers in found]


def _error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the root mean square error of an image, averaged over images, ``()``."""
    return ((x_hat - x).square().flatten(1).mean(1) + TINY**2).sqrt().mean()


def pruned_share(progress: float) -> float:
    """Return the share, in [0, 1], of all pruning that is due at a share of the training."""
    done = (progress - FIRST_PRUNED) / (LAST_PRUNED - FIRST_PRUNED)
    return 1 - (1 - min(max(done, 0.0), 1.0)) ** 3
