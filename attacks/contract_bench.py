"""A small network to run any attack on within a second, and pictures that have something to recognise."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.base import (
    Attack,
    Evidence,
    Fit,
    Images,
    Point,
    Probe,
    ProbeAttack,
    Target,
    Verdict,
    train_prior,
)
from attacks.seen import Seen
from attacks.testproblems import NoisyChannel

IMAGE_SHAPE = (3, 16, 16)
ACTIVATION_SHAPE = (8, 4, 4)
NUM_CLASSES = 4
NUM_IMAGES = 64
"""Images of every part."""
SPREAD = 0.05
"""Of the small network's features, about."""


def pictures(num_images: int, brightness: float = 0.5) -> Images:
    """Draw images from the global random state: a smooth pattern of its class in each, and a smooth one of its own.

    Args:
        num_images: N, >= 1.
        brightness: Their mean, in [0, 1].
    """
    y = torch.arange(num_images) % NUM_CLASSES
    wave = torch.sin(torch.linspace(0, 6.28, IMAGE_SHAPE[1]) + 1.57 * y[:, None])
    pattern = torch.where((y % 2 == 0)[:, None, None], wave[:, :, None], wave[:, None, :])[:, None]
    own = F.interpolate(torch.rand(num_images, 3, 4, 4) - 0.5, IMAGE_SHAPE[1:], mode="bilinear")
    x = (brightness + 0.1 * pattern + 0.3 * own).clamp(0, 1)
    return Images((255 * x).round().to(torch.uint8), y)


class Affine(nn.Module):
    """``unit z + level``."""

    def __init__(self, unit: float, level: float) -> None:
        super().__init__()
        self.unit, self.level = unit, level

    def forward(self, z: Tensor) -> Tensor:
        """Return features of any shape in another unit."""
        return self.unit * z + self.level


class SmallTarget(NoisyChannel):
    """A target (:class:`attacks.base.Target`): convolution, batch norm and sigmoid, then a linear server; no defense.

    Args:
        sigma: Standard deviation of the channel noise, >= 0.
        blind: Whether releases say nothing about images.
        unit: What the features, and the noise with them, are multiplied by, > 0; the server takes them as they come.
        level: What is then added to them.
    """

    image_shape = IMAGE_SHAPE
    activation_shape = ACTIVATION_SHAPE
    num_classes = NUM_CLASSES
    precision = torch.float32

    def __init__(self, sigma: float = 0.1, *, blind: bool = False, unit: float = 1.0, level: float = 0.0) -> None:
        self.sigma = unit * sigma
        self.defense: nn.Module = nn.Identity()
        convolution = nn.Conv2d(3, ACTIVATION_SHAPE[0], 4, stride=4)
        if blind:
            nn.init.zeros_(convolution.weight)
        else:
            nn.init.normal_(convolution.weight, std=0.3)
        normalised = nn.Sequential(convolution, nn.BatchNorm2d(ACTIVATION_SHAPE[0]), nn.Sigmoid())
        self._client = nn.Sequential(*normalised, Affine(unit, unit * level)).eval()
        self._server = nn.Sequential(Affine(1 / unit, -level), nn.Flatten(), nn.Linear(128, NUM_CLASSES)).eval()
        self.spread, self.extent = unit * SPREAD, (unit * level, unit * (1 + level))

    def mean(self, x: Tensor) -> Tensor:
        """Return the release without noise, ``(B, 8, 4, 4)``."""
        z: Tensor = self._client(x)
        return z

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server."""
        return self._client, self._server

    def server(self, z: Tensor) -> Tensor:
        """Return logits, ``(B, 4)``."""
        logits: Tensor = self._server(z)
        return logits

    def state(self) -> dict[str, Tensor]:
        """Return copies of all that an attack must leave alone: values, buffers, gradients and modes, by name."""
        state: dict[str, Tensor] = {}
        for side, module in zip(("client", "server"), self.modules(), strict=True):
            for name, value in module.named_parameters():
                # no gradient and one of zeros are not the same
                gradient = torch.zeros(0) if value.grad is None else value.grad.clone()
                state |= {f"{side}.{name}": value.detach().clone(), f"{side}.{name}.grad": gradient}
                state[f"{side}.{name}.requires_grad"] = torch.tensor(value.requires_grad)
            state |= {f"{side}.{name}": value.clone() for name, value in module.named_buffers()}
            state |= {f"{side}.{name}.training": torch.tensor(each.training) for name, each in module.named_modules()}
        return state


class Report(NamedTuple):
    """What is common to how a fit and a probe went."""

    curve: Sequence[Point]
    verdict: Verdict
    numbers: dict[str, float]


class Run:
    """An attack carried out on a small network, everything seeded.

    Args:
        create: The attack's class.
        settings: Its settings.
        blind: Whether releases say nothing about images.
        shades: Mean brightness of ``aux`` and of ``val``, in [0, 1].
        num_aux: Images in ``aux``.
        sigma: Standard deviation of the channel noise, in the features' unit, >= 0.
        unit: Of the features.
        level: Of the features, in that unit.
    """

    def __init__(
        self,
        create: type[Attack] | type[ProbeAttack],
        settings: dict[str, Any],
        *,
        blind: bool = False,
        shades: tuple[float, float] = (0.5, 0.5),
        num_aux: int = NUM_IMAGES,
        sigma: float = 0.1,
        unit: float = 1.0,
        level: float = 0.0,
    ) -> None:
        torch.manual_seed(0)
        self.target = SmallTarget(sigma, blind=blind, unit=unit, level=level)
        aux, val = pictures(num_aux, shades[0]), pictures(NUM_IMAGES, shades[1])
        self.evidence = Evidence(aux, val, members=pictures(NUM_IMAGES), scored=pictures(NUM_IMAGES))
        self.before = self.target.state(), [Images(part.x.clone(), part.y.clone()) for part in self.evidence]
        seen = Seen(self.target, create.knowledge, needs_server=create.needs_server)
        attack = create(**settings)
        self.attack: Attack | None = None
        self.prior_curve: tuple[Point, ...] = ()
        if isinstance(attack, Attack):
            self.attack, self.prior_curve = _given_prior(attack, seen, aux)
            if attack.overhears:
                self.attack = self.attack.hearing(self.releases())
        torch.manual_seed(1)
        if isinstance(attack, ProbeAttack):
            self.outcome: Fit | Probe = attack.probe(seen, self.evidence)
        else:
            assert self.attack is not None
            self.outcome = self.attack.fit(seen, aux, val)

    @property
    def report(self) -> Report:
        """What the attack says of itself."""
        outcome = self.outcome
        return Report(outcome.curve, outcome.verdict, outcome.scores if isinstance(outcome, Probe) else outcome.details)

    def releases(self, count: int = NUM_IMAGES, m: int = 1) -> Tensor:
        """Return releases of the first scored images, always the same, ``(count, C, H, W)``, m of each if m > 1."""
        torch.manual_seed(2)
        return self.target.release(self.evidence.scored.x[:count].float() / 255, m)

    def reconstruct(self, z: Tensor, seed: int = 3) -> Tensor:
        """Return the attack's reconstructions ``(B, 3, height, width)`` from a fixed seed."""
        assert self.attack is not None
        torch.manual_seed(seed)
        return self.attack.reconstruct(z)


def _given_prior(attack: Attack, target: Target, aux: Images) -> tuple[Attack, tuple[Point, ...]]:
    """Train the attack's prior, as the caller does before a study's first trial; return who holds it, and its curve."""
    if attack.prior_settings() is None:
        return attack, ()
    prior = attack.make_prior(target.image_shape, target.num_classes)
    curve = train_prior(attack, prior, aux, target.precision)
    return attack.with_prior(prior.eval()), curve
