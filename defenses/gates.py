"""Gated attention over features.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018: equation 9.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.rows import Rows


class Gate(nn.Module):
    """Scores features by ``w (tanh(V h) * sigmoid(U h))``, h of D features.

    Args:
        features: D.
        hidden: Width of V h and U h.
        scores: Scores of each feature.
    """

    def __init__(self, features: int, hidden: int, scores: int = 1) -> None:
        super().__init__()
        self.content = nn.Linear(features, hidden)
        self.openness = nn.Linear(features, hidden)
        self.score = nn.Linear(hidden, scores)

    def forward(self, h: Tensor) -> Tensor:
        """Return scores ``(..., scores)`` of ``(..., D)``."""
        gated: Tensor = self.score(torch.tanh(self.content(h)) * torch.sigmoid(self.openness(h)))
        return gated


def normalised(z: Tensor) -> Tensor:
    """Return features ``(..., D)`` at mean 0 and variance 1 over D each, without a gradient: what a gate looks at."""
    return F.layer_norm(z.detach(), z.shape[-1:])


def over_members(scores: Tensor, rows: Rows) -> Tensor:
    """Return the softmax of scores ``(K, n)`` over each class's features; a class without any has only zeros."""
    return scores.masked_fill(rows.member == 0, -1e9).softmax(1) * rows.member
