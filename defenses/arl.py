"""Adversarial representation learning: the client is trained against a decoder that is trained beside it.

References:
    Li, Rakin, Chen, He, Fan, Chakrabarti, ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack
    in Split Federated Learning, CVPR 2022.
    Jeong, Cho, Benz, Kim, Noisy Adversarial Representation Learning for Effective and Efficient Image Obfuscation,
    UAI 2023.
    Ganin and Lempitsky, Unsupervised Domain Adaptation by Backpropagation, 2015 (gradient reversal).
"""

from typing import Any

import torch
from torch import Tensor, nn

from attacks.networks import InverseNetwork
from defenses import adversary
from defenses.base import Batch, Defense, Epoch, Shapes
from defenses.ranges import choice, number, whole

FORMS = ("hinge", "reversal")
MSE_FLOOR = 1e-4
"""Added to the squared error under the logarithm, [0, 1] units: below it a reconstruction is perfect to the eye."""


class Arl(Defense):
    """Penalises what a decoder g, trained at the same time, reconstructs from the noisy release.

    - ``hinge``: the client pays ``alpha * max(0, SSIM(g(z), x) - threshold)``, g minimises ``1 - SSIM``. A pure number.
      SSIM is that of zero-padded images, as in the public code: its .5 is .28 of windows inside the image.
    - ``reversal``: g minimises ``1/2 log(MSE + 1e-4)``, nats per pixel, a Gaussian decoder's code length, and the
      client receives ``-alpha`` times its gradient: it maximises an upper bound on H(x | z), which guarantees nothing.

    Against the public code of ResSFL: g sees the noisy release and not the clean activation, and takes one Adam step
    per batch from the start instead of being trained beforehand on test images. Against Noise_ARL: its adversary
    classifies an attribute; here it reconstructs, as in tables that cite it.

    Args:
        alpha: Weight of the client's term, >= 0.
        form: ``hinge`` or ``reversal``.
        threshold: SSIM below which the hinge is closed, in [0, 1].
        blocks: Residual blocks of g, >= 0; the public code's decoder is N4C64.
        channels: Width of g, >= 1.
        adversaries: 1, or 2 that are trained apart: the client pays for the better one of a batch.
        reset: Epochs after which g starts anew, of two in turns; 0 for never.
        course: Of g's learning rate, ``constant`` or ``cosine``, from .001 down to 0.
    """

    strength = "alpha"
    reference = (
        "Li et al., ResSFL: A Resistance Transfer Framework for Defending Model Inversion Attack in Split Federated "
        "Learning, CVPR 2022; Jeong et al., Noisy Adversarial Representation Learning, UAI 2023"
    )
    version = 2
    faithful = "ours"
    cost = "adversarial: two passes forward and back through each decoder in every step"

    adversary: InverseNetwork

    def __init__(
        self,
        alpha: float = 0.3,
        form: str = "hinge",
        threshold: float = 0.5,
        blocks: int = 4,
        channels: int = 64,
        adversaries: int = 1,
        reset: int = 0,
        course: str = "constant",
    ) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.form = choice("form", form, FORMS)
        self.threshold = number("threshold", threshold, most=1.0)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)
        self.num_adversaries = whole("adversaries", adversaries, least=1, most=2)
        self.reset = whole("reset", reset)
        self.course = choice("course", course, adversary.COURSES)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.adversary = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)
        if self.num_adversaries == 2:
            self.second = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)

    def penalty(self, batch: Batch) -> Tensor:
        """Return the client's term; its gradient trains the adversaries too."""
        if self.alpha == 0:
            return super().penalty(batch)
        duels = [adversary.duel(network, batch.z) for network in self._networks()]
        if self.form == "hinge":
            similar = torch.stack([adversary.published_similarity(duel.against, batch.x) for duel in duels]).amax()
            losses = [1 - adversary.published_similarity(duel.learning, batch.x) for duel in duels]
            term = self.alpha * (similar - self.threshold).relu()
        else:
            length = torch.stack([_code_length(duel.against, batch.x) for duel in duels]).amin()
            losses = [_code_length(duel.learning, batch.x) for duel in duels]
            term = -self.alpha * length
        return term + adversary.trained_by(torch.stack(losses).sum())

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [group for network in self._networks() for group in adversary.adam(network, course=self.course)]

    def end_epoch(self, epoch: Epoch) -> None:
        if self.reset and (epoch.epoch + 1) % self.reset == 0:
            networks = self._networks()
            adversary.begin_anew(networks[(epoch.epoch + 1) // self.reset % len(networks)])

    def _networks(self) -> list[InverseNetwork]:
        return [self.adversary, self.second] if self.num_adversaries == 2 else [self.adversary]


def _code_length(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return half the log of the squared error, nats per pixel up to a constant, ``()``."""
    return ((x_hat - x).square().mean() + MSE_FLOOR).log() / 2
