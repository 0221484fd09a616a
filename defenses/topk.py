"""Only the largest features of an image leave the device.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025, public code (``topkprune``).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.likelihood import TINY, log_either, log_gaussian, log_zeroed, surprise
from defenses.base import Defense, Law
from defenses.ranges import number

SOFTNESS = 0.05
"""Width of the soft threshold by which an attacker takes features for kept, over the root mean square feature."""


class TopK(Defense):
    """Sets the ``ratio`` of an image's features that are smallest in magnitude to 0, in training and at inference.

    Of D features, the ``floor(ratio D)`` smallest; the gradient reaches those that are kept. The public code ranks the
    features of a whole batch by value: which of them an image releases then depends on its neighbours. Here every image
    is ranked by itself, and by magnitude, which is the same behind a sigmoid. The channel noise comes after, and blurs
    the zeros; the public code adds it before.

    Args:
        ratio: Share of the features that are set to 0, in [0, 1].
    """

    strength = "ratio"
    strength_kind = "share"
    reference = "top-k pruning in the public code of Xia et al., CVPR 2025"
    faithful = "ours"
    cost = "a ranking of the features"
    masks = True
    jumps = True

    def __init__(self, ratio: float = 0.5) -> None:
        super().__init__()
        self.ratio = number("ratio", ratio, most=1.0)

    def forward(self, z: Tensor) -> Tensor:
        features = z.flatten(1)
        num_pruned = int(self.ratio * features.shape[1])
        if num_pruned == 0:
            return z
        smallest = features.detach().abs().topk(num_pruned, largest=False).indices
        mask = torch.ones_like(features).scatter_(1, smallest, 0.0)
        return (features * mask).view(z.shape)

    def law(self, sigma: float) -> Law:
        return "gaussian"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of a mixture for every feature: kept if above the image's threshold.

        The threshold lies between the features kept and pruned, and is soft: what the release shows to be pruned is
        pulled below it, what it shows to be kept is pulled to the release. A hard one would let no gradient reach the
        features that the activation has pruned and the release has not.
        """
        magnitudes = activation.flatten(1).abs()
        num_pruned = int(self.ratio * magnitudes.shape[1])
        if num_pruned == 0:
            return super().surprise(z, activation, sigma)
        ordered = F.pad(magnitudes.detach().sort(dim=1).values, (0, 1), value=torch.inf)
        threshold = ordered[:, num_pruned - 1 : num_pruned + 1].mean(1, keepdim=True)
        width = SOFTNESS * magnitudes.detach().square().mean(1, keepdim=True).sqrt()
        odds = ((magnitudes - threshold) / width.clamp_min(TINY)).view(z.shape)
        return surprise(log_either(odds, log_gaussian(z, activation, sigma), log_zeroed(z[..., None], sigma)))
