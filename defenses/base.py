"""What a defense is: a module between client and server, and the penalty it is trained to minimise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Optional

import torch
from torch import Tensor, nn

from attacks.likelihood import gaussian_surprise
from attacks.members import Collection

StrengthKind = Literal["weight", "scale", "share"]
"""What a strength is: a ``weight`` of a penalty, > 0; a ``scale`` of noise or cells, > 0, in units of the activation; a
``share`` of features, in (0, 1)."""

Law = Literal["gaussian", "surprise", "atoms", "unknown"]
"""How releases of one activation are distributed. ``gaussian``: about ``mean`` by ``noise_std`` and the channel noise.
``surprise``: as ``exact_surprise`` says. ``atoms``: some features are released as they are, with a probability above 0.
``unknown``: ``surprise`` is an attacker's stand-in."""
TERMS = 1
"""Added to the version of a defense that stands as a term: raised by every change of what a term is given."""
Faithful = Literal["paper", "code", "ours"]
Bound = Literal["upper", "lower", "none"]
"""What an estimate of I(x; z | y) is."""


class Shapes(NamedTuple):
    """The sizes a defense may build itself from."""

    image: tuple[int, int, int]
    """``(channels, height, width)`` of an image."""
    activation: tuple[int, int, int]
    """``(C, H, W)`` of the activation at the cut."""
    num_classes: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training step as a defense sees it."""

    x: Tensor
    """Images in [0, 1], after augmentation, ``(B, 3, height, width)``."""
    client: nn.Module
    """The live client, for derivatives and weights; maps images in [0, 1] to activations."""
    z_clean: Tensor
    """``client(x)``, before ``forward``, ``(B, C, H, W)``, float32."""
    z: Tensor
    """The release: after ``forward`` and the channel noise, ``(B, C, H, W)``, float32."""
    y: Tensor
    """Labels, ``(B,)``, int64."""
    sigma: float
    """Standard deviation of the channel noise, >= 0."""
    progress: float
    """Share of the training done before this step, in [0, 1)."""
    lr: float
    """Learning rate of this step, >= 0."""
    epoch: int
    """Epoch of this step, counted from 0."""
    defense: Optional["Defense"] = None
    """What stands between client and server, which is another one for a term; None if it releases what it is given."""
    published: bool = True
    """Whether a defense keeps the start and the schedule of its source; else the recipe's ramp is all there is, and the
    trainer multiplies by it what ``penalty`` returns."""
    server: nn.Module | None = None
    """The live server, which maps releases to logits; None where a penalty is measured without one."""

    @cached_property
    def mean(self) -> Tensor:
        """What is released but for noise: the mean of ``forward`` at ``z_clean``, ``(B, C, H, W)``, differentiable."""
        return self.z_clean if self.defense is None else self.defense.mean(self.z_clean)

    @cached_property
    def noise(self) -> Tensor:
        """Variance of all noise on each feature, ``sigma^2 + noise_std^2``, averaged over the batch, ``(C, H, W)``."""
        defense = Defense() if self.defense is None else self.defense
        return defense.total_noise(self.z_clean, self.sigma)

    def logits(self, x: Tensor) -> Tensor:
        """Return the server's logits of a fresh release of images ``(n, 3, height, width)``, ``(n, K)``, float32.

        Draws noise from the global RNG.

        Raises:
            ValueError: there is no server.
        """
        if self.server is None:
            raise ValueError("Batch.server is None, and this penalty asks it; hand the server in, as the trainer does")
        z = self.client(x).float()
        z = z if self.defense is None else self.defense(z)
        answered: Tensor = self.server(z + self.sigma * torch.randn_like(z))
        return answered.float()

    @cached_property
    def signal(self) -> Tensor:
        """``mean`` in units in which all noise has deviation ``sigma``, ``(B, C, H, W)``: see `Defense.signal`."""
        return self.z_clean if self.defense is None else self.defense.signal(self.z_clean, self.sigma)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The end of a training epoch as a defense sees it."""

    features: Callable[..., Tensor]
    """``features(augment=False)``: noise-free eval-mode activations of the training part, ``(N, C, H, W)``, float32,
    in the order of ``y``; with ``augment=True`` of images augmented as in training. Each call is a pass over the data.
    A term is given the ``signal`` of the defense that it stands beside.
    """
    y: Tensor
    """Labels of the training part, ``(N,)``, int64."""
    model: nn.Module
    """The split model."""
    batch_size: int
    """Images of a training batch, >= 1."""
    progress: float
    """Share of the training done, in (0, 1]."""
    lr: float
    """Learning rate of the epoch's last step, >= 0."""
    epoch: int
    """The epoch that just ended, counted from 0; of an early fit (``Defense.fitted``) the first."""


class Defense(nn.Module):
    """No defense: releases the activation as it is. The base class of every other.

    A defense's settings are its constructor's keywords, and the constructor owns their ranges: it raises ``ValueError``
    with the setting, the value and the range. Learned state lives in parameters and buffers, so that it survives
    saving, loading and moving between devices.
    """

    strength: ClassVar[str | None] = None
    """The setting whose 0 makes the defense the identity, such as ``"lam"``."""
    strength_kind: ClassVar[StrengthKind] = "weight"
    """What the strength is, if there is one: by it a training that is held to an accuracy steers."""
    reference: ClassVar[str] = "none"
    """Author, title, year of the source."""
    faithful: ClassVar[Faithful] = "ours"
    """What the implementation follows: the paper, its public code, or ourselves where neither is followed."""
    version: ClassVar[int] = 1
    """Raised by every change that moves the numbers of a trial with it; records carry it, and what is recorded of two
    versions is marked where it is pooled."""
    bound: ClassVar[Bound] = "none"
    """What its estimate of I(x; z | y) is. The strength of one that says ``upper`` weighs it in nats per feature."""
    tightness: ClassVar[float] = 10.0
    """Multiple of the truth that an upper bound stays within on the contract's Gaussians and mixtures, > 1."""
    cost: ClassVar[str] = "none"
    """What a training step pays for it, in words."""
    fits: ClassVar[bool] = False
    """Whether ``penalty`` is 0 until ``end_epoch`` has been called. Under the recipe's ramp it is then called within
    the first epoch too, after every quarter, so that it starts like the others."""
    needs_noise: ClassVar[bool] = False
    """Whether ``penalty`` is defined only for a channel noise ``sigma`` > 0."""
    masks: ClassVar[bool] = False
    """Whether it sets features to 0: a decoder that reads a release is then also shown where the release is near 0."""
    jumps: ClassVar[bool] = False
    """Whether what it releases jumps where the activation moves a little: no bound then rests on its derivative."""

    def attach(self, client: nn.Module, shapes: Shapes) -> None:
        """Build what depends on shapes, and register masks in the client; keep no reference to it.

        Called once after construction, before parameters are collected or loaded, in training and on load alike.
        """

    def forward(self, z: Tensor) -> Tensor:
        """Return what is released before the channel noise; the same law in train and eval mode.

        Args:
            z: Activation, ``(B, C, H, W)``.

        Returns:
            A tensor of the same shape.
        """
        return z

    def mean(self, z: Tensor) -> Tensor:
        """Return the expectation of ``forward(z)``, differentiable; override it if ``forward`` is random."""
        return self.forward(z)

    def noise_std(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of what ``forward`` itself adds; attackers may whiten by it."""
        return 0.0

    def total_noise(self, z: Tensor, sigma: float) -> Tensor:
        """Return the variance of all noise on each feature, averaged over activations, ``(C, H, W)``, differentiable.

        Args:
            z: Activations, ``(B, C, H, W)``.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        own = torch.as_tensor(self.noise_std(z), dtype=z.dtype, device=z.device).square()
        return ((own.mean(0) if own.ndim == z.ndim else own) + sigma**2).expand(z.shape[1:])

    def signal(self, z: Tensor, sigma: float) -> Tensor:
        """Return the mean of releases in units in which all their noise has deviation ``sigma``, ``(B, C, H, W)``.

        A release of it through the channel alone tells as much as one of ``z`` through this defense and the channel,
        where the noise is Gaussian and the same for all images (``bound_beside``). At sigma 0 it is the mean.

        Args:
            z: Activations, ``(B, C, H, W)``.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        mean = self.mean(z)
        if type(self).noise_std is Defense.noise_std or sigma == 0:
            return mean
        return mean * (sigma * self.total_noise(z, sigma).rsqrt())

    def bound_beside(self, base: "Defense", z: Tensor, sigma: float) -> Bound:
        """Return what its estimate is as a term beside another defense: of noise that is not Gaussian, no bound.

        Args:
            base: The other one, attached.
            z: Activations by which to see whether the other's noise is the same for all images, ``(B, C, H, W)``.
            sigma: Standard deviation of the channel noise, > 0.
        """
        own = torch.as_tensor(base.noise_std(z))
        alike = own.ndim < z.ndim or bool((own == own[:1]).all())
        return self.bound if alike and base.law(sigma) == "gaussian" else "none"

    def surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return the negative log-likelihood of releases if the client's activations were these, nats, ``(B,)``.

        Up to a constant, differentiable in the activations. By default Gaussian with ``mean`` and, beside the channel
        noise, ``noise_std``; a defense that hides features otherwise says so here: the attacker knows how it does.

        Args:
            z: Releases, channel noise included, ``(B, C, H, W)``.
            activation: The client's output, ``(B, C, H, W)``.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        own = torch.as_tensor(self.noise_std(activation), dtype=z.dtype, device=z.device)
        return gaussian_surprise(z, self.mean(activation), (own.square() + sigma**2).sqrt())

    def before_noise(self, z: Tensor, sigma: float) -> Tensor:
        """Return what is expected of a release before the channel's noise, by what the defense lets through at all.

        By default the release itself. It must be invertible, so that nothing is lost to whoever reads on from it.

        Args:
            z: Releases, channel noise included, ``(B, C, H, W)``.
            sigma: Standard deviation of the channel noise, >= 0.
        """
        return z

    def collection(self) -> Collection | None:
        """Return the distributions of noise, one of which is in all features of a release; by default None."""
        return None

    def joint(self, z: Tensor, sigma: float) -> Tensor:
        """Return the expected release under which several independent ones of the same images are likeliest.

        By default their mean, which is right for Gaussian noise that is as strong in each of them. Of a defense that
        hides features (``masks``) nobody asks it.

        Args:
            z: Releases, channel noise included, ``(m, B, C, H, W)``.
            sigma: Standard deviation of the channel noise, >= 0.

        Returns:
            ``(B, C, H, W)``.
        """
        return z.mean(dim=0)

    def law(self, sigma: float) -> Law:
        """Return how releases are distributed; a defense with a ``surprise`` of its own that is exact says so here."""
        return "gaussian" if type(self).surprise is Defense.surprise else "unknown"

    def exact_surprise(self, z: Tensor, activation: Tensor, sigma: float) -> Tensor:
        """Return what ``surprise`` is without softening, nats, ``(B,)``: of a known law exact but for ``normaliser``.

        The arguments are those of ``surprise``. Its gradient may be of no use.
        """
        if self.law(sigma) == "gaussian":
            return Defense.surprise(self, z, activation, sigma)
        return self.surprise(z, activation, sigma)

    def normaliser(self, features: int) -> float:
        """Return what ``exact_surprise`` of so many features leaves out of the negative log-density, nats."""
        return features * math.log(2 * math.pi) / 2

    def penalty(self, batch: Batch) -> Tensor:
        """Return the scalar added to the task loss.

        One scalar, one backward pass: an adversary inside a defense is trained by a term on detached activations, and
        the client sees it through detached parameters.
        """
        return torch.zeros((), device=batch.z.device)

    def steer(self, strength: float) -> None:
        """Take another strength, while training or when a network that was steered is loaded.

        By default the attribute of that name; a defense that derives anything from it when it is made says so here.
        """
        if self.strength is None:
            raise ValueError(f"{type(self).__name__} has no strength to steer")
        setattr(self, self.strength, strength)

    def acts_from(self, epochs: int) -> float:
        """Return the share of a training before which its strength changes nothing, in [0, 1], and is not steered.

        Args:
            epochs: Of the training, >= 1.
        """
        return 0.0

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Return the defense's own parameters as optimiser groups, with their own settings if they need any.

        The recipe's SGD trains a group, or Adam with the settings it carries if it has ``"optimiser": "adam"``; that
        one's rate is constant, or falls from ``"peak"`` to 0 with ``"course": "cosine"``.
        """
        parameters = list(self.parameters())
        return [{"params": parameters}] if parameters else []

    def freezes_the_network(self) -> bool:
        """Return whether client and server no longer learn; asked in every step, after the penalty."""
        return False

    def end_epoch(self, epoch: Epoch) -> None:
        """Refit what is fitted between epochs."""
