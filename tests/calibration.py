"""Short runs of attacks on problems whose least error is known: what the remainder is fitted on, and held against.

``python -m tests.calibration FIRST COUNT`` prints the laws of :mod:`attacks.gains` that runs of these seeds give.
"""

import sys
from typing import NamedTuple

import numpy
import torch
from scipy.optimize import linprog
from torch import Tensor

from attacks.base import Attack, Course
from attacks.correction import corrected
from attacks.decoder import UnitDecoder
from attacks.decoder_xl import DecoderXl
from attacks.diffusion import Diffusion
from attacks.fitting import guess_error
from attacks.gains import Range, evidence, gains, law_of
from attacks.gan_decoder import GanDecoder
from attacks.linear import Linear
from attacks.rmle import Rmle
from attacks.testproblems import LinearGaussian, LinearMixture
from attacks.unrolled import Unrolled
from tests.exact_prior import Exact

KINDS = ("decoder",) * 4 + ("decoder_xl",) * 3 + ("unrolled", "gan_decoder", "linear", "rmle", "diffusion")

SIGMAS = (0.02, 0.07, 0.25)

FRESH = 2000
"""Images on which the truth is measured."""

FRESH_COSTLY = 200
"""The same of an attack that is costly for each image."""

NO_BETTER = 0.98
"""Error over the guess's from which an attack reads nothing, so that it has no remainder to speak of."""

TAUS = (0.05, 0.5, 0.95)
"""Quantiles of the truth that the laws are lines for."""


class Run(NamedTuple):
    """A short run of an attack, and the truth."""

    what: str
    course: Course
    own: Tensor
    """Errors on attacker-validation, ``(N,)``."""
    corrected: Tensor | None
    excess: float
    """``e / e_inf - 1`` on fresh images, the posterior mean's error being ``e_inf``."""
    reads: bool
    """Whether it does better than a guess."""

    @property
    def remainder(self) -> Range | None:
        """What the evidence says."""
        return gains(self.course, self.own, self.corrected).remainder

    @property
    def truth(self) -> float:
        """What the remainder really is."""
        return self.excess / (1 + self.excess)


class Sizes(NamedTuple):
    """What a run is drawn from."""

    kinds: tuple[str, ...] = KINDS
    steps: tuple[int, ...] = (60, 120, 240, 480)
    sides: tuple[int, ...] = (8, 8, 16)
    validation: tuple[int, ...] = (80, 200, 400)


ALL = Sizes()


def run(seed: int, sizes: Sizes = ALL) -> Run:
    """Return a run whose problem, attack, budget and numbers of images are drawn by a seed."""
    draw = numpy.random.default_rng(seed)
    torch.manual_seed(seed)

    def one_of(*choices):
        return choices[int(draw.integers(len(choices)))]

    kind = one_of(*sizes.kinds)
    problem = LinearGaussian if kind == "diffusion" else one_of(LinearGaussian, LinearMixture)
    sigma, side = one_of(*SIGMAS), one_of(*sizes.sides)
    if kind == "diffusion":
        side = max(side, 12)  # it chooses by ssim, which needs 11 pixels a side
    target = problem(sigma, seed=seed, side=side)
    attack = _attack(kind, target, one_of, sizes.steps)
    aux, val = target.sample(one_of(200, 400, 1000, 4000)), target.sample(one_of(*sizes.validation))
    course = attack.fit(target, aux, val).course
    count = min(len(val.x), attack.images or len(val.x))
    x = val.x[:count].float() / 255
    z = target.release(x)
    x_hat = attack.reconstruct(z)
    fresh = target.sample(FRESH_COSTLY if attack.images else FRESH).x.float() / 255
    releases = target.release(fresh)
    error, least = (
        float(_errors(each, fresh).mean()) for each in (attack.reconstruct(releases), target.posterior_mean(releases))
    )
    own = _errors(x_hat, x)
    return Run(
        f"{kind} on {problem.__name__} at {target.sigma}", course, own, corrected(x_hat, z, x), error / least - 1,
        float(own.mean()) < NO_BETTER * guess_error(aux, val),
    )  # fmt: skip


def _attack(kind: str, target: LinearGaussian, one_of, steps: tuple[int, ...]) -> Attack:
    if kind == "decoder":
        return UnitDecoder(
            blocks=one_of(0, 1), channels=one_of(16, 32), epochs=10**6, steps=one_of(*steps), batch_size=one_of(32, 64),
            lr=one_of(2e-3, 4e-3, 8e-3), schedule="stable", weight_decay=1e-4,
        )  # fmt: skip
    if kind == "decoder_xl":
        own = {"width": one_of(4, 8), "attention": 0, "steps": one_of(*steps), "epochs": 10**6, "ssim_share": 0.0}
        return DecoderXl(**DecoderXl.budgets["quick"] | own | {"lr": one_of(3e-3, 6e-3)})
    if kind == "unrolled":
        own = {"width": one_of(4, 8), "attention": 0, "corrections": one_of(1, 2), "correction_width": 8}
        return Unrolled(**Unrolled.budgets["quick"] | own | {"steps": one_of(*steps), "epochs": 10**6})
    if kind == "gan_decoder":
        own = {"steps": one_of(*steps), "epochs": 10**6, "warm": one_of(0.6, 0.9), "channels": 16}
        return GanDecoder(**GanDecoder.budgets["quick"] | own)
    if kind == "linear":
        return Linear(draws=one_of(2, 4, 8))
    if kind == "rmle":
        return Rmle(**Rmle.budgets["quick"] | {"steps": one_of(20, 40, 100), "decoder_steps": one_of(40, 120)})
    own = {"samples": one_of(2, 4, 8), "steps": one_of(6, 12, 24), "recurrences": one_of(1, 2)}
    return Diffusion(**Diffusion.budgets["quick"] | own | {"guidance": one_of("dps", "moment")}).with_prior(
        Exact(target)
    )


def _errors(x_hat: Tensor, x: Tensor) -> Tensor:
    return (x_hat - x).square().mean(dim=(1, 2, 3))


def quantile_line(found: numpy.ndarray, excess: numpy.ndarray, scale: numpy.ndarray, tau: float) -> numpy.ndarray:
    """Return the line without a negative weight that a share ``tau`` of the excesses is below.

    Args:
        found: The evidence and a one, ``(N, 5)``.
        excess: The truth, ``(N,)``.
        scale: What a deviation is measured by, ``(N,)``.
        tau: In (0, 1).
    """
    count, terms = found.shape
    cost = numpy.concatenate([numpy.zeros(terms), tau / scale, (1 - tau) / scale])
    equal = numpy.concatenate([found, numpy.eye(count), -numpy.eye(count)], axis=1)
    return linprog(cost, A_eq=equal, b_eq=excess, bounds=[(0, None)] * len(cost)).x[:terms]


def fitted(runs: list[Run], floor: float = 0.01) -> dict[str, numpy.ndarray]:
    """Return the law of one kind of attack: lines for each of ``TAUS``."""
    found = numpy.array([[*evidence(each.course, each.own, each.corrected)[:, 0], 1.0] for each in runs])
    excess = numpy.array([each.excess for each in runs])
    scale = excess.clip(0) + floor
    for _ in range(6):
        middle = quantile_line(found, excess, scale, 0.5)
        scale = numpy.sqrt((excess.clip(0) + floor) * (found @ middle + floor))
    names = zip(("low", "value", "high"), TAUS, strict=True)
    return {name: quantile_line(found, excess, found @ middle + floor, tau) for name, tau in names}


if __name__ == "__main__":
    torch.set_num_threads(1)
    first, number = int(sys.argv[1]), int(sys.argv[2])
    found = [each for each in map(run, range(first, first + number)) if each.reads]
    for law in dict.fromkeys(law_of(each.course) for each in found):
        alike = [each for each in found if law_of(each.course) == law]
        print(len(alike), {name: line.round(3).tolist() for name, line in fitted(alike).items()})
