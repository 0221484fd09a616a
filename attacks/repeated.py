"""The repeated query: one image is released many times, and the attacker takes the noise away.

References:
    Dwork, Roth, The algorithmic foundations of differential privacy, 2014 (what composition of releases costs).
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from attacks.averaged import Averaged, averaged
from attacks.base import Attack, Fit, Images, Knowledge, Target, Tunable
from attacks.decoder import Decoder
from attacks.decoder_xl import DecoderXl
from attacks.fitting import CHUNK
from attacks.ranges import at_least
from attacks.reading import Read

INNER: dict[str, type[Attack]] = {"decoder": Decoder, "decoder_xl": DecoderXl}
"""Attacks that can be repeated, by name."""

NUMBERS = (1, 4, 16, 64)
"""Numbers of releases of an image."""


class Ranging(DecoderXl):
    """``decoder_xl``, trained for several numbers of releases at once: each batch is for one, and log sigma says which.

    Args:
        numbers: Of releases, each >= 1.
        settings: Of ``decoder_xl``.
    """

    def __init__(self, numbers: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.numbers = tuple(numbers)

    def _read(self, x: Tensor) -> Read:
        target = Averaged(self._reader.target, self.numbers[int(torch.randint(len(self.numbers), ()))])
        return self._reader.of(target)(target.release(x))


class Repeated(Attack):
    """Fits another attack for each number m of releases, to what m of them are likeliest to come from together.

    That is their mean where the noise is Gaussian (:func:`attacks.averaged.averaged`). ``decoder_xl`` is told the
    noise: one network is trained for all m, each batch for one of them. The fit for fewer releases reads what m come to
    as well: the one with the least error on attacker-validation is used.
    Verdict, course and curve are those of a single release; the validation error of each m is ``validation_m4`` and so
    on, ``fitted_to_m4`` tells by which fit.

    Args:
        inner: The attack that is repeated: ``decoder``, or ``decoder_xl`` without its network for ssim.
        budget: The inner attack's budget.
        steps: Optimiser steps of the fit, or of each of them, at most, >= 2; null for what the inner budget says.
        most: Largest number of releases: 1, 4, 16 or 64; the smaller ones are fitted too.
    """

    reference = "Dwork, Roth, The algorithmic foundations of differential privacy, 2014"
    threat = "The server sees the same image released up to m times, as from a camera that stands still."
    cost = "one training for all numbers of releases; then a forward pass an image"
    knowledge: ClassVar[Knowledge] = "queries"
    needs_server = True
    labels_alone = True
    version = 9
    budgets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"inner": "decoder_xl", "budget": "quick", "steps": 240, "most": 64},
        "standard": {"inner": "decoder_xl", "budget": "standard", "steps": 2400, "most": 64},
        "strong": {"inner": "decoder_xl", "budget": "strong", "steps": None, "most": 64},
    }
    tunable: ClassVar[dict[str, Tunable]] = {"inner": ("decoder", "decoder_xl")}

    def __init__(self, inner: Literal["decoder", "decoder_xl"], budget: str, steps: int | None, most: int) -> None:
        if inner not in INNER:
            raise ValueError(f"repeated: inner takes {sorted(INNER)}, not {inner!r}")
        if budget not in INNER[inner].budgets:
            raise ValueError(f"repeated: budget takes {sorted(INNER[inner].budgets)}, not {budget!r}")
        at_least("repeated", 2, steps=2 if steps is None else steps)
        if most not in NUMBERS:
            raise ValueError(f"repeated: most takes {list(NUMBERS)}, not {most}")
        settings = dict(INNER[inner].budgets[budget])
        settings |= {} if steps is None else {"steps": steps}
        settings |= {"ssim_share": 0.0} if inner == "decoder_xl" else {}
        self.releases = tuple(m for m in NUMBERS if m <= most)
        self.for_all = Ranging(self.releases, **settings) if inner == "decoder_xl" else None
        self.attacks: dict[int, Attack] = {} if self.for_all else {m: INNER[inner](**settings) for m in self.releases}
        """The inner attack for each number of releases."""
        self.fitted_to = {m: m for m in self.releases}
        """The number of releases whose attack reconstructs from m."""
        self.target: Target | None = None

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Fit for each number of releases, then choose for each among what was fitted for as many or fewer."""
        self.target = target
        fits = self._fits(target, aux, val)
        details = {"validation_m1": fits[1].curve[-1].validation}
        for m in self.releases[1:]:
            errors = self._errors(Averaged(target, m), val)
            self.fitted_to[m] = min(errors, key=errors.__getitem__)
            details[f"validation_m{m}"] = errors[self.fitted_to[m]]
            details[f"fitted_to_m{m}"] = float(self.fitted_to[m])
        return Fit(curve=fits[1].curve, verdict=fits[1].verdict, course=fits[1].course, details=details)

    def reconstruct(self, z: Tensor) -> Tensor:
        """Reconstruct from one release of each image, ``(B, C, H, W)``, or from m, ``(m, B, C, H, W)``."""
        m = 1 if z.ndim == 4 else len(z)
        if m not in self.releases:
            raise ValueError(f"repeated: it reconstructs from {list(self.releases)} releases, not from {m}")
        target = self._target()
        return self.attacks[self.fitted_to[m]].reconstruct(z if z.ndim == 4 else averaged(z, target))

    def _fits(self, target: Target, aux: Images, val: Images) -> dict[int, Fit]:
        """Fit one network for all numbers of releases or, of an attack that is not told the noise, one for each."""
        if self.for_all is None:
            return {m: attack.fit(Averaged(target, m), aux, val) for m, attack in self.attacks.items()}
        fit = self.for_all.fit(target, aux, val)
        self.attacks = {m: self.for_all.behind(Averaged(target, m)) for m in self.releases}
        return dict.fromkeys(self.releases, fit)

    @torch.no_grad()
    def _errors(self, averaged: Averaged, val: Images) -> dict[int, float]:
        """Return the error on attacker-validation of each fit that the mean is enough for."""
        x = val.x.float() / 255
        pairs = list(zip(averaged.release(x).split(CHUNK), x.split(CHUNK), strict=True))
        fitted = {m: attack for m, attack in self.attacks.items() if m <= averaged.num_releases}
        squares = {m: [(attack.reconstruct(z) - part).square() for z, part in pairs] for m, attack in fitted.items()}
        errors = {m: float(torch.cat(each).mean()) for m, each in squares.items()}
        return {m: error if math.isfinite(error) else math.inf for m, error in errors.items()}

    def _target(self) -> Target:
        if self.target is None:
            raise RuntimeError("repeated: fit it before it reconstructs")
        return self.target
