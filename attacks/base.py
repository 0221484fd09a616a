"""What an attack is: an adversary that holds the trained client and tries to turn a release back into the image."""

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

Verdict = Literal["tight", "open", "floor", "inert", "diverged", "failed", "converged", "limited"]
"""``tight``: a better attack takes less than 5 % off its error (:mod:`attacks.gains`). ``open``: it may take more.
``floor``: no better than a guess without z. ``inert``: nor is it on the study's undefended network, so that it says
nothing. ``diverged``: worse than that guess, or not finite. ``failed``: it raised. ``converged`` and ``limited`` are
0.1's."""

RELEASES = 5
"""Independent releases of each scored image over which the scores of an attack are averaged that costs little an image.
"""

Knowledge = Literal["queries", "gradients", "none"]
"""What an adversary may do with the client. ``none``: nothing, it knows shapes and channel only. ``queries``: ask it
for releases of images of its own. ``gradients``: differentiate through it, that is, hold its weights, and ask it."""


class Target(Protocol):
    """The network under attack, as its adversary sees it. Images are float32 in [0, 1], ``(B, 3, height, width)``."""

    sigma: float
    """Standard deviation of the channel noise, >= 0."""
    spread: float
    """Root mean square deviation of a feature's expected release over the attacker's images, > 0: the unit of z."""
    extent: tuple[float, float]
    """Least and greatest of these expected releases; whoever reads releases knows about as much of both."""
    mirrors: bool
    """Whether an image mirrored left to right is as likely as the image: true of photographs, not of digits."""
    image_shape: tuple[int, int, int]
    activation_shape: tuple[int, int, int]
    """``(C, H, W)`` of a release."""
    num_classes: int
    precision: torch.dtype
    """``torch.bfloat16`` where it is faster, else ``torch.float32``: what autocast should use."""

    @property
    def defense(self) -> nn.Module:
        """The defense itself: the attacker moves second."""

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected release, ``(B, C, H, W)``: differentiable, eval mode, no noise."""

    def release(self, x: Tensor, m: int = 1) -> Tensor:
        """Return m independent releases: ``(B, C, H, W)`` for m = 1, else ``(m, B, C, H, W)``; no gradient."""

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of the noise that the defense itself adds, channel noise not included."""

    def surprise(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the negative log-likelihood of releases z if the images were x, nats up to a constant, ``(B,)``.

        Differentiable in x. All noise is accounted for as the defense knows it: channel noise, noise of its own, masks,
        rounding. It is what an adaptive white-box attacker minimises.
        """

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """Return client and server themselves, in eval mode: whoever holds them leaves them as they are."""

    def server(self, z: Tensor) -> Tensor:
        """Return logits, ``(B, num_classes)``; only for an attack that declares ``needs_server``."""


class Images(NamedTuple):
    """Images on the attack's device."""

    x: Tensor
    """uint8, ``(N, 3, height, width)``."""
    y: Tensor
    """Labels, int64, ``(N,)``."""


class Point(NamedTuple):
    """One point of a learning curve."""

    step: int
    """Optimiser steps taken, >= 0."""
    train: float
    """Mean training loss since the previous point."""
    validation: float
    """Mean squared error on attacker-validation, in [0, 1] units."""


class Span(NamedTuple):
    """A range from which tuning draws a setting; whole numbers stay whole."""

    low: float
    high: float
    log: bool = False


Tunable = Span | tuple[Any, ...]
"""What tuning draws a setting from: a range, or choices."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What an attack would have come to with less, and what it met, image by image: what its evidence is made of."""

    errors: Mapping[float, Tensor] = field(default_factory=dict)
    """Mean squared errors of the first images of attacker-validation, ``(V,)``, by the share of the steps they come
    from: .25, .5, and 1 for what it reconstructs with."""
    seen: Tensor | None = None
    """The same of images that it was fitted on, ``(U,)``, freshly released; None of one that fits no network."""
    drawn: Tensor | None = None
    """Of one that returns the mean of random samples: the squared error that their number leaves, ``(V,)``, as their
    spread tells; it is part of the error at 1."""
    assumes: bool = False
    """Whether it rests on what no number of steps mends: a linear map, a prior by hand, the range of a generator."""
    worse_than_truth: float | None = None
    """Of one that minimises: the share of images whose objective at the reconstruction is above that at the image."""
    flags: tuple[str, ...] = ()
    """What went wrong, in a few words each."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How an attack's fitting went."""

    curve: tuple[Point, ...]
    verdict: Verdict
    course: Course = field(default=Course(), compare=False)
    """Of a plug-in that says nothing of it, empty: nothing is known of what more steps would gain."""
    details: dict[str, float] = field(default_factory=dict)
    """Further measured numbers by name, such as how far restarts disagree; all finite."""


class Evidence(NamedTuple):
    """The images a probe is measured with. ``aux`` and ``val`` are the attacker's own."""

    aux: Images
    val: Images
    members: Images
    """Images the network was trained on."""
    scored: Images
    """Images neither the network nor the attacker has seen."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a probe measured."""

    scores: dict[str, float]
    """Finite numbers by name; the probe's docstring gives unit, range and what leaks more."""
    verdict: Verdict
    images: int
    """Number of images scored."""
    curve: tuple[Point, ...] = ()
    null_reasons: dict[str, str] = field(default_factory=dict)
    """Why a score of this name could not be measured; it is then not among ``scores``."""


class Attack(ABC):
    """A reconstruction attack. Its settings are its constructor's keywords; its budgets name fixed sets of them.

    All randomness comes from torch's global generator, which the caller seeds. An attack that takes long per image
    treats many images at once, and its result for one does not depend on those beside it.
    """

    reference: ClassVar[str]
    """Author, title, year of the source."""
    kind: ClassVar[Literal["reconstruction", "probe"]] = "reconstruction"
    threat: ClassVar[str]
    """Who attacks and what they hold, in one sentence."""
    cost: ClassVar[str]
    """What the attack pays and for what, in words."""
    knowledge: ClassVar[Knowledge]
    needs_server: ClassVar[bool] = False
    labels_alone: ClassVar[bool] = False
    """Whether it asks the server for the predicted classes of a release and nothing else: where there is no server, a
    head that is trained on the attacker's images (:mod:`attacks.label_head`) answers in its place."""
    overhears: ClassVar[bool] = False
    """Whether it is handed releases of private images that went by (:meth:`hearing`), and told nothing else of them."""
    version: ClassVar[int] = 1
    """Of algorithm and budgets: raised by every change that moves the attack's numbers."""
    budgets: ClassVar[dict[str, dict[str, Any]]]
    """Settings of the constructor by the budget's name: ``quick``, ``standard``, ``strong``."""
    tunable: ClassVar[dict[str, Tunable]] = {}
    """What settings may be tuned over on attacker-validation."""
    width_setting: ClassVar[str | None] = None
    """The setting that is its network's width, so that half of it can be tried; None for an attack without one."""
    images: int | None = None
    """Most images it scores, the part's first ones; None for all. An attack costly per image has it as a setting."""
    releases: tuple[int, ...] = (1,)
    """Numbers of independent releases of an image that it is scored on; the first, 1, counts for the objectives."""
    overheard: Tensor | None = None
    """Releases of private images, ``(N, C, H, W)``, of an attack that was given them (:meth:`hearing`)."""
    prior: nn.Module | None = None
    """A model of images trained before the first trial (:meth:`make_prior`), of an attack that was given it."""
    prior_precision: torch.dtype = torch.float32
    """For plug-ins whose ``train_prior`` takes no precision: what autocast should use in it."""

    @property
    def scored_releases(self) -> int:
        """Independent releases of each scored image, each reconstructed by itself, over which its scores are averaged.

        One for an attack that is costly an image.
        """
        return RELEASES if self.images is None else 1

    @abstractmethod
    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        """Learn from the attacker's own images; tune and stop on ``val`` only; keep the target if still needed."""

    @abstractmethod
    def reconstruct(self, z: Tensor) -> Tensor:
        """Return images in [0, 1], ``(B, 3, height, width)`` float32, from releases ``(B, C, H, W)``.

        Of m > 1 releases of each image, ``(m, B, C, H, W)``, if ``releases`` names m.
        """

    def reconstruct_for_ssim(self, z: Tensor) -> Tensor:
        """Return the reconstruction that is scored by ssim; by default the one that is scored by mse."""
        return self.reconstruct(z)

    def prior_settings(self) -> dict[str, Any] | None:
        """Return what decides the prior beside the images it is trained on; None for an attack without one."""
        return None

    def make_prior(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the untrained prior."""
        raise NotImplementedError(f"{type(self).__name__} has no prior")

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        """Train the prior on the attacker's images alone, in place; return its learning curve.

        Autocast should use ``precision``, as :attr:`Target.precision` says.
        """
        raise NotImplementedError(f"{type(self).__name__} has no prior")

    def hearing(self, z: Tensor) -> Self:
        """Return this attack, not fitted yet, holding releases ``(N, C, H, W)`` that went by; itself stays without."""
        held = copy.copy(self)
        held.overheard = z
        return held

    def with_prior(self, prior: nn.Module) -> Self:
        """Return this attack, not fitted yet, holding a trained prior; the attack itself stays without."""
        held = copy.copy(self)
        held.prior = prior
        return held


class ProbeAttack(ABC):
    """A probe of another leakage: its scores stand in a table of their own and are never an objective."""

    reference: ClassVar[str]
    """Author, title, year of the source."""
    kind: ClassVar[Literal["reconstruction", "probe"]] = "probe"
    threat: ClassVar[str]
    """Who attacks and what they hold, in one sentence."""
    cost: ClassVar[str]
    """What the probe pays and for what, in words."""
    knowledge: ClassVar[Knowledge]
    needs_server: ClassVar[bool] = True
    version: ClassVar[int] = 1
    """Of algorithm and budgets: raised by every change that moves the probe's numbers."""
    budgets: ClassVar[dict[str, dict[str, Any]]]
    """Settings of the constructor by the budget's name: ``quick``, ``standard``, ``strong``."""
    tunable: ClassVar[dict[str, Tunable]] = {}
    """Empty: a probe gives no objective to tune for."""

    @abstractmethod
    def probe(self, target: Target, evidence: Evidence) -> Probe:
        """Attack, and say how well it went."""


def train_prior(attack: Attack, prior: nn.Module, aux: Images, precision: torch.dtype) -> tuple[Point, ...]:
    """Train an attack's prior in a precision, in place; return its learning curve.

    A plug-in's ``train_prior(prior, aux)`` that takes no precision finds it in ``self.prior_precision``.
    """
    if "precision" in inspect.signature(attack.train_prior).parameters:
        return attack.train_prior(prior, aux, precision)
    told = copy.copy(attack)
    told.prior_precision = precision
    return told.train_prior(prior, aux)
