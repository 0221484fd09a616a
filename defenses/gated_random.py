"""Several gated heads whose gate is drawn once and never learns: a control of ``gated_heads``.

References:
    Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (the gate).
"""

from typing import Any

from torch import nn

from defenses.base import Shapes
from defenses.gated_heads import GatedHeads


class GatedRandom(GatedHeads):
    """Penalises what ``gated_heads`` does, its gate at its random start: what it gains by learning is missing.

    Args:
        lam: Weight of the penalty, >= 0.
        heads: M, >= 1.
        hidden: Width of the gate, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        super().attach(client, shapes)
        self.gate.requires_grad_(False)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return []
