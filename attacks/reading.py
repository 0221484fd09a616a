"""What a strong inverse network reads of a release: standardised values, the predicted label, and the noise."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from attacks.base import Target
from attacks.fitting import channel_statistics
from attacks.likelihood import effective_sigma
from attacks.members import Members

HIDDEN = 3.0
"""Absolute value of a feature in standard deviations of the channel noise, below which it may be a hidden one."""


class Read(NamedTuple):
    """Releases as a network reads them."""

    z: Tensor
    """Standardised, with whatever further channels the defense calls for, ``(B, C', H, W)``."""
    probabilities: Tensor
    """Of the classes, as the server predicts them, ``(B, num_classes)``."""
    log_sigma: Tensor
    """Logarithm of the channel noise's standard deviation over the features' own, ``(B, 1)``."""


class Reader:
    """Reads releases, by statistics of the attacker's own.

    Where the defense rounds, they read the expected cell. A defense with ``masks`` adds a channel for each of z's: 1
    where the value is small enough to be a hidden one. One with noise of its own on each feature adds the logarithm of
    its total standard deviation instead: where that depends on the activation, of what is expected of the activation
    given the release. Where a release carries one of several known tensors of noise, the likeliest are taken out of it.

    Args:
        target: The network under attack.
        z: Releases of the attacker's images, ``(N, C, H, W)``.
        again: Releases the same images once more: what both releases share is the activation.
    """

    def __init__(self, target: Target, z: Tensor, again: Callable[[], Tensor] | None = None) -> None:
        self.target = target
        self._members = None if again is None else Members.of(target, z, again)
        self._shrunk: Shrunk | None = None
        if again is not None and torch.as_tensor(target.noise_std(z)).ndim and not self._masks:
            self._shrunk = Shrunk(z, again())
        self.mean, self.deviation = channel_statistics(self._channels(z))

    def of(self, target: Target) -> "Reader":
        """Return one that reads the same features behind other noise, by the same statistics."""
        other = copy.copy(self)
        other.target = target
        if getattr(target, "num_releases", 1) > 1:  # each is told its member on the way to what they come to
            other._members = None
        return other

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Read:
        """Read releases ``(B, C, H, W)``."""
        log_sigma = (
            torch.tensor(effective_sigma(self.target) / self.target.spread, device=z.device).log().expand(len(z), 1)
        )
        probabilities = self.target.server(z).softmax(dim=1)
        standard = (self._channels(z) - self.mean) / self.deviation
        return Read(standard.contiguous(memory_format=torch.channels_last), probabilities, log_sigma)

    @property
    def _masks(self) -> bool:
        return bool(getattr(self.target.defense, "masks", False))

    @torch.no_grad()
    def _channels(self, z: Tensor) -> Tensor:
        least = effective_sigma(self.target)
        if self._masks:
            return torch.cat([z, (z.abs() < HIDDEN * least).to(z.dtype)], dim=1)
        activation = self._shrunk(z) if self._shrunk else z
        own = torch.as_tensor(self.target.noise_std(activation), dtype=z.dtype, device=z.device)
        z = before_noise(self._members(z) if self._members else z, self.target)
        if own.ndim == 0:
            return z
        return torch.cat([z, (own.square() + least**2).sqrt().log().expand_as(z)], dim=1)


def before_noise(z: Tensor, target: Target) -> Tensor:
    """Return what is expected of releases before the channel's noise, as far as the defense says so."""
    expected: Callable[[Tensor, float], Tensor] | None = getattr(target.defense, "before_noise", None)
    return z if expected is None else expected(z, target.sigma)


class Shrunk:
    """The best linear guess of an activation from its release, of each position by its channels.

    The covariance of two releases of the same images is that of the activations, whose noise is independent.

    Args:
        z: Releases of some images, ``(N, C, H, W)``.
        again: Other ones of the same images, of the same shape.
    """

    def __init__(self, z: Tensor, again: Tensor) -> None:
        both = torch.cat([z, again])
        self._mean = both.mean(dim=(0, 2, 3), keepdim=True)
        (first, second) = ((each - self._mean).movedim(1, -1).flatten(0, -2).double() for each in (z, again))
        common = (first.T @ second + second.T @ first) / 2
        whole = (first.T @ first + second.T @ second) / 2
        self._map = (torch.linalg.pinv(whole, hermitian=True) @ common).to(z)

    def __call__(self, z: Tensor) -> Tensor:
        """Return expected activations, ``(B, C, H, W)``."""
        return self._mean + torch.einsum("bchw,cd->bdhw", z - self._mean, self._map)
