"""PATROL as its paper describes it: adversarial reconstruction, a Lipschitz term and a pruned client.

References:
    Ding, Zhang, Pan, Yuan, PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion
    Attacks, WACV 2024.
    Zhu and Gupta, To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression, 2017 (the
    schedule).
"""

from typing import Any

from torch import Tensor, nn

from attacks.inverse_network import InverseNetwork
from defenses import adversary, pruning
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.ranges import number, whole
from defenses.sensitivity import squared_change

DEVIATION = 0.01
"""Of the step by which the Lipschitz term probes an image, [0, 1] units."""
FIRST_PRUNED, LAST_PRUNED = 0.1, 0.5
"""Shares of the training between which channels are pruned; the rest is fine-tuning."""


class Patrol(Defense):
    """Penalises ``alpha * SSIM(g(z), x) + beta * L``, while channels of the client are pruned.

    g is a decoder that sees the noisy release and is trained beside the client to minimise ``1 - SSIM``.
    ``L = E |f(x + d) - f(x)|^2 / .01^2`` with ``d ~ N(0, .01^2)`` is the squared norm of the trained client's Jacobian:
    where the client is flat, inverting it is unstable. Between .1 and .5 of the training the share of pruned channels
    of every layer behind a batch norm rises to ``prune`` by a cubic schedule, those of the smallest scale first; the
    rest fine-tunes. Without batch norms nothing is pruned. At alpha 0 nothing is done at all.

    A re-implementation: there is no public code, and the paper's text fixes neither losses nor schedule. What pruning
    is for, a deeper client at the same cost, is the model's setting (``model/cut``). Both terms are pure numbers.

    Args:
        alpha: Weight of the adversarial term, >= 0.
        beta: Weight of the Lipschitz term, >= 0.
        prune: Share of the channels pruned in the end, in [0, .95].
        blocks: Residual blocks of g, >= 0.
        channels: Width of g, >= 1.
    """

    strength = "alpha"
    reference = (
        "Ding et al., PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion Attacks, "
        "WACV 2024"
    )
    faithful = "paper"
    cost = "adversarial: two passes forward and back through a decoder, two more through the client"

    adversary: InverseNetwork

    def __init__(
        self, alpha: float = 0.3, beta: float = 1e-3, prune: float = 0.3, blocks: int = 4, channels: int = 64
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
            pruning.register(client, shapes)

    def penalty(self, batch: Batch) -> Tensor:
        """Return the client's two terms; the gradient trains the adversary too."""
        if self.alpha == 0:
            return super().penalty(batch)
        against, learning = adversary.duel(self.adversary, batch.z)
        loss = 1 - adversary.similarity(learning, batch.x)
        term = self.alpha * adversary.similarity(against, batch.x) + adversary.trained_by(loss)
        if self.beta == 0:
            return term
        return term + self.beta * squared_change(batch.client, batch.x, DEVIATION)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return adversary.adam(self.adversary)

    def end_epoch(self, epoch: Epoch) -> None:
        share = self.prune * pruned_share(epoch.progress)
        for layer in pruning.layers(epoch.model).values():
            pruning.prune(layer, pruning.scale_importance(layer), round(share * layer.num_features))


def pruned_share(progress: float) -> float:
    """Return the share, in [0, 1], of all pruning that is due at a share of the training."""
    done = (progress - FIRST_PRUNED) / (LAST_PRUNED - FIRST_PRUNED)
    return 1 - (1 - min(max(done, 0.0), 1.0)) ** 3
