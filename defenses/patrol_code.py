"""PATROL in the reduced form in which a public code compares with it.

References:
    Ding, Zhang, Pan, Yuan, PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion
    Attacks, WACV 2024.
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025 (public code).
"""

from typing import Any

import torch
from torch import Tensor, nn

from attacks.networks import InverseNetwork
from defenses import adversary, pruning
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.ranges import number, whole

PRUNED_AT = 0.75
"""Share of the training after which the client is pruned: epoch 180 of 240."""
LEAST_CHANNELS = 32
"""Layers of no more channels are never pruned."""


class PatrolCode(Defense):
    """Penalises ``alpha * max(0, SSIM(g(f(x)), x) - threshold)`` and prunes the client once, late in the training.

    g is a decoder that sees the *noise-free* activation and is trained beside the client to minimise ``1 - SSIM``. At
    three quarters of the training a share of the channels of every layer of more than 32 is pruned, those whose removal
    changes the sum of the activation of a random image least, to first order. There is no Lipschitz term. The penalty
    is a pure number; SSIM is that of zero-padded images, as in the public code.

    Against the public code: g takes one step per batch, where a slip in reading the option's name made it three, and is
    not trained beforehand on test images; the importance is a channel's, not the sum over its weights; the convolution
    that the code puts in front of the client is left to the model's settings. At alpha 0 nothing is done at all.

    Args:
        alpha: Weight of the client's term, >= 0.
        prune: Share of the channels pruned, in [0, .95].
        blocks: Residual blocks of g, >= 0.
        channels: Width of g, >= 1.
        threshold: SSIM below which the hinge is closed, in [0, 1]; the public code's is .5.
    """

    strength = "alpha"
    reference = (
        "Ding et al., PATROL: Privacy-Oriented Pruning for Collaborative Inference Against Model Inversion Attacks, "
        "WACV 2024, as in the public code of Xia et al., CVPR 2025"
    )
    version = 2
    faithful = "ours"
    cost = "adversarial: two passes forward and back through a decoder in every step"

    adversary: InverseNetwork
    image: tuple[int, int, int]

    def __init__(
        self, alpha: float = 0.3, prune: float = 0.05, blocks: int = 4, channels: int = 64, threshold: float = 0.5
    ) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.prune = number("prune", prune, most=0.95)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)
        self.threshold = number("threshold", threshold, most=1.0)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.image = shapes.image
        self.adversary = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)
        if self.alpha > 0:
            pruning.register(client, shapes, more_than=LEAST_CHANNELS)

    def penalty(self, batch: Batch) -> Tensor:
        """Return the client's term; its gradient trains the adversary too."""
        if self.alpha == 0:
            return super().penalty(batch)
        against, learning = adversary.duel(self.adversary, batch.z_clean)
        similar = adversary.published_similarity(against, batch.x)
        loss = 1 - adversary.published_similarity(learning, batch.x)
        return self.alpha * (similar - self.threshold).relu() + adversary.trained_by(loss)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return adversary.adam(self.adversary)

    def end_epoch(self, epoch: Epoch) -> None:
        client = getattr(epoch.model, "client", epoch.model)
        if epoch.progress < PRUNED_AT:
            return
        layers = pruning.layers(client)
        # later epochs find the channels that are due masked already
        x = 0.5 + 0.25 * torch.randn(1, *self.image, device=epoch.y.device)
        for path, importance in pruning.taylor_importance(client, x).items():
            channels = len(importance)
            pruning.prune(layers[path], importance, channels - int(channels * (1 - self.prune)))
