"""An adaptive attacker finds the most plausible image under what a defense really does: pixel by pixel, by brute force.

The client is the identity and pixels are independent a priori, so that the image splits into pixels, each of which a
search over a line solves; densities are written down here once more, and not taken from the defense.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attacks.base import Images
from attacks.components import Components
from attacks.likelihood import effective_sigma, gaussian_surprise
from attacks.rmle import Rmle
from attacks.testproblems import NoisyChannel
from defenses.base import Defense, Shapes
from defenses.dropout import Dropout
from defenses.laplace import Laplace
from defenses.learned_noise import LearnedNoise
from defenses.local_dp import LocalDP
from defenses.rounding import Rounding
from defenses.shredder import Shredder
from defenses.vib import Vib

SHAPE = (3, 4, 4)
MEAN = 128 / 255
DEVIATION = 0.2
"""Of a pixel, a priori."""
SIGMA = 0.05
LINE = torch.linspace(-0.6, 1.6, 1101)

Density = Callable[[Tensor, Tensor], Tensor]
"""Log-density of releases ``(..., 3, 4, 4)`` of pixels, broadcast against them."""


class White(Rmle):
    """Takes pixels for independent."""

    def prior_of(self, deviations: Tensor, held: Tensor) -> Components:
        return Components(torch.zeros(0, 48), torch.zeros(0), torch.tensor(DEVIATION**2))


class Pixels(NoisyChannel):
    """Releases the image itself, behind a defense."""

    image_shape = activation_shape = SHAPE
    num_classes, sigma, precision = 4, SIGMA, torch.float32

    def __init__(self, defense: Defense, law: Callable[..., Tensor] | None = None) -> None:
        self.defense, self.law = defense, law or defense.surprise

    def mean(self, x: Tensor) -> Tensor:
        return self.defense.mean(x)

    def release(self, x: Tensor, m: int = 1) -> Tensor:
        with torch.no_grad():
            return self.defense(x) + self.sigma * torch.randn_like(x)

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        return self.law(z, x, effective_sigma(self))


def attached(defense: Defense) -> Defense:
    torch.manual_seed(1)
    defense.attach(nn.Identity(), Shapes(SHAPE, SHAPE, num_classes=4))
    return defense.requires_grad_(False)


def normal(std: Tensor | float) -> Density:
    std = torch.as_tensor(std)
    return lambda z, a: -((z - a) ** 2) / (2 * std**2) - std.log()


def laplace(scale: float) -> Density:
    """Of both noises: the Gaussian's, averaged over quantiles of the Laplace noise."""
    levels = (torch.arange(2000) + 0.5) / 2000 - 0.5
    noise = -scale * levels.sign() * (1 - 2 * levels.abs()).log()
    residuals = torch.linspace(-4, 4, 8001)
    table = (normal(SIGMA)(residuals[:, None], noise)).logsumexp(1) - math.log(2000)

    def density(z: Tensor, a: Tensor) -> Tensor:
        return table[((z - a + 4) * 1000).round().clamp(0, 8000).long()]

    return density


def learned() -> tuple[Defense, list[Density]]:
    defense = attached(LearnedNoise())
    defense.load_state_dict({name: value + torch.randn_like(value) for name, value in defense.state_dict().items()})
    torch.manual_seed(2)
    std = (defense(torch.zeros(20_000, *SHAPE)).var(0) + SIGMA**2).sqrt()
    return defense, [normal(std)]


def vib() -> tuple[Defense, list[Density]]:
    """The louder, the brighter."""
    defense = attached(Vib())
    defense.log_variance.weight.copy_(4 * torch.eye(3)[:, :, None, None])
    defense.log_variance.bias.fill_(2 * math.log(0.05))
    return defense, [lambda z, a: normal(((2 * math.log(0.05) + 4 * a).exp() + SIGMA**2).sqrt())(z, a)]


def shredder() -> tuple[Defense, list[Density]]:
    """Two members, three deviations of a pixel apart."""
    defense = attached(Shredder(members=2, scale=0.05))
    defense.location[0], defense.location[1] = 0.6, -0.6
    one = laplace(0.05)
    return defense, [lambda z, a, mu=mu: one(z - mu, a) for mu in (0.6, -0.6)]


def dropout() -> tuple[Defense, list[Density]]:
    kept, dropped = normal(SIGMA), normal(SIGMA)
    return attached(Dropout(0.3)), [
        lambda z, a: torch.logaddexp(math.log(0.7) + kept(z, a), math.log(0.3) + dropped(z, torch.zeros_like(a)))
    ]


def rounding() -> tuple[Defense, list[Density]]:
    return attached(Rounding(0.25)), [lambda z, a: normal(SIGMA)(z, 0.25 * (4 * a).round())]


SOFT = 0.06
"""What pixels may be off where the attacker takes a hard edge as soft: a fraction of a rounding cell."""

CASES: dict[str, Callable[[], tuple[Defense, list[Density]]]] = {
    "laplace": lambda: (attached(Laplace(0.15)), [laplace(0.15)]),
    "local_dp": lambda: (attached(LocalDP(1 / 0.15, "laplace")), [laplace(0.15)]),
    "learned_noise": learned,
    "vib": vib,
    "shredder": shredder,
    "dropout": dropout,
    "rounding": rounding,
}
"""By name: a defense, and the density of what it releases under each choice that all pixels share."""


def found(target: Pixels, z: Tensor) -> Tensor:
    torch.manual_seed(0)
    attack = White(steps=100, lr=0.3, lam=1.0, components=0, starts=4, decoder_steps=0, images=8)
    grey = Images(torch.full((8, *SHAPE), 128, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64))
    attack.fit(target, grey, Images(torch.randint(256, (8, *SHAPE), dtype=torch.uint8), grey.y))
    attack.trust = 1.0
    return attack.reconstruct(z)


def solved(z: Tensor, densities: list[Density]) -> Tensor:
    """The most plausible pixels, under the choice that makes them likeliest together; as images, cut off at 0 and 1."""
    a = LINE.view(-1, 1, 1, 1, 1)
    prior = -((a - MEAN) ** 2) / (2 * DEVIATION**2)
    best = [(density(z, a) + prior).max(0) for density in densities]
    together = torch.stack([each.values.flatten(1).sum(1) for each in best])
    pixels = torch.stack([LINE[each.indices] for each in best])
    return pixels[together.argmax(0), torch.arange(len(z))].clamp(0, 1)


@pytest.mark.parametrize(
    "name",
    # its Laplace noise is that of the case before it
    [pytest.param(name, marks=pytest.mark.slow) if name == "local_dp" else name for name in CASES],
)
def test_the_most_plausible_image_is_found_and_gaussian_noise_as_strong_would_find_another(name):
    defense, densities = CASES[name]()
    torch.manual_seed(3)
    x = (MEAN + DEVIATION * torch.randn(10, *SHAPE)).clamp(0.02, 0.98)
    target = Pixels(defense)
    z = target.release(x)
    expected = solved(z, densities)
    off = (found(target, z) - expected).abs()
    assert (off < (SOFT if name == "rounding" else 0.01)).float().mean() > 0.97
    std = float((z - target.mean(x)).std())
    blunt = (found(Pixels(defense, lambda z, a, _: gaussian_surprise(z, defense.mean(a), std)), z) - expected).abs()
    assert blunt.mean() > 3 * off.mean()
