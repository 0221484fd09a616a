"""Slots that are drawn once and never learn: a control of ``slot_corrected``.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
"""

from typing import Any

from torch import nn

from defenses.base import Shapes
from defenses.slot_corrected import SlotCorrected


class SlotRandom(SlotCorrected):
    """Penalises what ``slot_corrected`` does, its slots at their random start: what they gain by learning is missing.

    Args:
        lam: Weight of the penalty, >= 0.
        slots: Slots of each class, >= 1.
        dim: Size of a slot, >= 1.
        bank: Images of each class kept beside the batch, >= 1.
    """

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        super().attach(client, shapes)
        self.slots.requires_grad_(False)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return []
