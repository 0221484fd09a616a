"""Adversarial representation learning: the client is trained against a decoder that is trained beside it.

References:
    Li, Rakin, Chen, He, Fan, Chakrabarti, ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack
    in Split Federated Learning, CVPR 2022.
    Jeong, Cho, Benz, Kim, Noisy Adversarial Representation Learning for Effective and Efficient Image Obfuscation,
    UAI 2023.
    Ganin and Lempitsky, Unsupervised Domain Adaptation by Backpropagation, 2015 (gradient reversal).
"""

from typing import Any

from torch import Tensor, nn

from attacks.inverse_network import InverseNetwork
from defenses import adversary
from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number, whole

FORMS = ("hinge", "reversal")
MSE_FLOOR = 1e-4
"""Added to the squared error under the logarithm, [0, 1] units: below it a reconstruction is perfect to the eye."""


class Arl(Defense):
    """Penalises what a decoder g, trained at the same time, reconstructs from the noisy release.

    - ``hinge``: the client pays ``alpha * max(0, SSIM(g(z), x) - threshold)``, g minimises ``1 - SSIM``. A pure number.
    - ``reversal``: g minimises ``1/2 log(MSE + 1e-4)``, nats per pixel, a Gaussian decoder's code length, and the
      client receives ``-alpha`` times its gradient: it maximises an upper bound on H(x | z), which guarantees nothing.

    Against the public code of ResSFL: g sees the noisy release and not the clean activation, it takes one Adam step per
    batch from the start instead of being trained beforehand on test images, and its learning rate is constant. Against
    Noise_ARL: its adversary classifies an attribute; here it reconstructs, as in tables that cite it.

    Args:
        alpha: Weight of the client's term, >= 0.
        form: ``hinge`` or ``reversal``.
        threshold: SSIM below which the hinge is closed, in [0, 1].
        blocks: Residual blocks of g, >= 0; the public code's decoder is N4C64.
        channels: Width of g, >= 1.
    """

    strength = "alpha"
    reference = (
        "Li et al., ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack in Split Federated "
        "Learning, CVPR 2022; Jeong et al., Noisy Adversarial Representation Learning, UAI 2023"
    )
    faithful = "paper"
    cost = "adversarial: two passes forward and back through a decoder in every step"

    adversary: InverseNetwork

    def __init__(
        self, alpha: float = 0.3, form: str = "hinge", threshold: float = 0.5, blocks: int = 4, channels: int = 64
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form takes {' or '.join(FORMS)}, not {form!r}")
        self.alpha = number("alpha", alpha)
        self.form = form
        self.threshold = number("threshold", threshold, most=1.0)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.adversary = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)

    def penalty(self, batch: Batch) -> Tensor:
        """Return the client's term; its gradient trains the adversary too."""
        if self.alpha == 0:
            return super().penalty(batch)
        against, learning = adversary.duel(self.adversary, batch.z)
        if self.form == "hinge":
            similar = adversary.similarity(against, batch.x)
            loss = 1 - adversary.similarity(learning, batch.x)
            return self.alpha * (similar - self.threshold).relu() + adversary.trained_by(loss)
        loss = _code_length(learning, batch.x)
        return adversary.trained_by(loss) - self.alpha * _code_length(against, batch.x)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return adversary.adam(self.adversary)


def _code_length(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return half the log of the squared error, nats per pixel up to a constant, ``()``."""
    return ((x_hat - x).square().mean() + MSE_FLOOR).log() / 2
