"""Only the largest features of an image leave the device.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025, public code (``topkprune``).
"""

import torch
from torch import Tensor

from defenses.base import Defense
from defenses.ranges import number


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
    reference = "top-k pruning in the public code of Xia et al., CVPR 2025"
    faithful = "code"
    cost = "a ranking of the features"

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
