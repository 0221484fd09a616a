"""Training against an upper bound on what a release tells of its image, by a decoder that learns beside the client.

References:
    Duan, Sun, Jia, Chen, Gorlatova, InfoScissors: Defense against Data Leakage in Collaborative Inference through the
    Lens of Mutual Information, 2024.
    Cheng, Hao, Dai, Liu, Gan, Carin, CLUB: A Contrastive Log-ratio Upper Bound of Mutual Information, ICML 2020.
"""

from typing import Any

from torch import Tensor, nn

from attacks.networks import InverseNetwork
from defenses import adversary
from defenses.base import Batch, Defense, Shapes
from defenses.ranges import number, whole

LEAST_ERROR = 1e-4
"""Least squared error of the decoder, [0, 1] units: below it a reconstruction is perfect to the eye."""


class InfoScissors(Defense):
    """Penalises ``mean_i log q(x_i | z_i) - mean_ij log q(x_j | z_i)`` (CLUB), q a Gaussian about a decoder's image.

    ``q(x | z) = N(g(z), s^2 I)``: g is a decoder that minimises its squared error on the same batch, and s^2 that
    error, at least 1e-4, held fixed. So it is ``(E_ij |x_j - g(z_i)|^2 - E_i |x_i - g(z_i)|^2) / 2 s^2`` a pixel, over
    all pairs of a batch in closed form, in nats per pixel. It bounds I(x; z) from above where q is p(x | z), which no
    decoder is: what this one does not read is not charged, and so ``bound`` says none. At a decoder that reads nothing
    it is 0.

    Against the paper, of which the formula alone was followed: the second part, by which a release is to tell a server
    nothing of the label, has no place where the server classifies; its separate adversarial decoder is g; s^2 is not
    1; g takes one Adam step a batch and sees the noisy release.

    Args:
        lam: Weight of the nats per pixel, >= 0.
        blocks: Residual blocks of g, >= 0.
        channels: Width of g, >= 1.
    """

    strength = "lam"
    reference = (
        "Duan et al., InfoScissors: Defense against Data Leakage in Collaborative Inference through the Lens of Mutual "
        "Information, 2024; Cheng et al., CLUB, ICML 2020"
    )
    faithful = "ours"
    cost = "adversarial: two passes forward and back through a decoder in every step"

    adversary: InverseNetwork

    def __init__(self, lam: float = 0.1, blocks: int = 4, channels: int = 64) -> None:
        super().__init__()
        self.lam = number("lam", lam)
        self.blocks = whole("blocks", blocks)
        self.channels = whole("channels", channels, least=1)

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        self.adversary = InverseNetwork(shapes.activation, shapes.image, self.blocks, self.channels)

    def penalty(self, batch: Batch) -> Tensor:
        """Return ``lam`` times CLUB in nats per pixel; its gradient trains the decoder too."""
        if self.lam == 0:
            return super().penalty(batch)
        against, learning = adversary.duel(self.adversary, batch.z)
        return self.lam * club(against, batch.x) + adversary.trained_by((learning - batch.x).square().mean())

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return adversary.adam(self.adversary)


def club(guesses: Tensor, x: Tensor) -> Tensor:
    """Return CLUB under Gaussians about the guesses, their variance the guesses' own error, nats per pixel, ``()``.

    Args:
        guesses: Means of q, ``(B, ...)``.
        x: Images in [0, 1], of their shape.
    """
    own = (guesses - x).square().mean()
    # over all images j: the distance to their mean, and their variance about it
    centre = x.mean(0)
    others = (guesses - centre).square().mean() + (x - centre).square().mean()
    return (others - own) / (2 * own.detach().clamp(min=LEAST_ERROR))
