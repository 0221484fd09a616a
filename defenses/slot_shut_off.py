"""The slot surrogate as published, with the rule that shuts it off: in most trials the undefended network with noise.

References:
    Locatello et al., Object-Centric Learning with Slot Attention, NeurIPS 2020.
    Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, NeurIPS 2022.
"""

from defenses.slot_attention import SlotAttention


class SlotShutOff(SlotAttention):
    """Penalises what ``slot_attention`` does, where the published rule lets it: its loss, and nearly always 0.

    Args:
        lam: Weight in the published scale, not of nats per feature, >= 0; 16 was run.
        warmup: Share of the training without the penalty, in [0, 1].
    """

    version = 1
    faithful = "code"

    def __init__(self, lam: float = 16.0, warmup: float = 0.0125) -> None:
        super().__init__(lam, shut_off=True, warmup=warmup)
