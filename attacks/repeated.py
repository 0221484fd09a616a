"""The repeated query: one image is released many times, and the attacker averages the noise away.

References:
    Dwork, Roth, The algorithmic foundations of differential privacy, 2014 (what composition of releases costs).
"""

from typing import Any, ClassVar, Literal

from torch import Tensor

from attacks.averaged import Averaged
from attacks.base import Attack, Fit, Images, Knowledge, Target, Tunable
from attacks.decoder import Decoder
from attacks.decoder_xl import DecoderXl

INNER: dict[str, type[Attack]] = {"decoder": Decoder, "decoder_xl": DecoderXl}
"""Attacks that can be repeated, by name."""

NUMBERS = (1, 4, 16, 64)
"""Numbers of releases of an image."""


class Repeated(Attack):
    """Fits another attack anew for each number m of releases, to the mean of m; it reconstructs from such a mean.

    Its verdict and curve are those of a single release; the validation error of each m is ``validation_m4`` and so on.

    Args:
        inner: The attack that is repeated: ``decoder``, or ``decoder_xl`` without its network for ssim.
        budget: The inner attack's budget.
        steps: Optimiser steps of each of the fits, at most, >= 2; null for what the inner budget says.
        most: Largest number of releases: 1, 4, 16 or 64; the smaller ones are fitted too.
    """

    reference = "Dwork, Roth, The algorithmic foundations of differential privacy, 2014"
    threat = "The server sees the same image released up to m times, as from a camera that stands still."
    cost = "one training on the attacker's images for each number of releases; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    needs_server = True
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"inner": "decoder_xl", "budget": "quick", "steps": 60, "most": 64},
        "standard": {"inner": "decoder_xl", "budget": "quick", "steps": 1000, "most": 64},
        "strong": {"inner": "decoder_xl", "budget": "strong", "steps": None, "most": 64},
    }
    tunable: ClassVar[dict[str, Tunable]] = {"inner": ("decoder", "decoder_xl")}

    def __init__(self, inner: Literal["decoder", "decoder_xl"], budget: str, steps: int | None, most: int) -> None:
        if inner not in INNER:
            raise ValueError(f"repeated: inner takes {sorted(INNER)}, not {inner!r}")
        if budget not in INNER[inner].budgets:
            raise ValueError(f"repeated: budget takes {sorted(INNER[inner].budgets)}, not {budget!r}")
        if steps is not None and steps < 2:
            raise ValueError(f"repeated: steps must be >= 2, not {steps}")
        if most not in NUMBERS:
            raise ValueError(f"repeated: most takes {list(NUMBERS)}, not {most}")
        settings = dict(INNER[inner].budgets[budget])
        settings |= {} if steps is None else {"steps": steps}
        settings |= {"ssim_share": 0.0} if inner == "decoder_xl" else {}
        self.releases = tuple(m for m in NUMBERS if m <= most)
        self.attacks = {m: INNER[inner](**settings) for m in self.releases}
        """The inner attack for each number of releases."""

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Fit the inner attack for each number of releases."""
        fits = {m: attack.fit(Averaged(target, m), aux, val) for m, attack in self.attacks.items()}
        details = {f"validation_m{m}": fit.curve[-1].validation for m, fit in fits.items()}
        return Fit(curve=fits[1].curve, verdict=fits[1].verdict, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct from one release of each image, ``(B, C, H, W)``, or from m, ``(m, B, C, H, W)``."""
        m = 1 if z.ndim == 4 else len(z)
        if m not in self.attacks:
            raise ValueError(f"repeated: it reconstructs from {list(self.attacks)} releases, not from {m}")
        return self.attacks[m].reconstruct(z if z.ndim == 4 else z.float().mean(dim=0))
