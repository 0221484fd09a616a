"""What must hold of every network of one's own, as checks that its author runs on their class.

A network's whole test is::

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(contract.Case(Mine, {"channels": 8}))
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.refusals import bad_numbers, must_refuse
from harness.models.network import Pictures
from harness.models.own import Body, Halves

BATCH = 6
"""Images at once."""
TOLERANCE = 1e-4
"""Difference that the batch beside an image may make to its activation or its logits, relative to their largest."""


@dataclass(frozen=True)
class Case:
    """A network under test."""

    create: type[Body]
    """Its class."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings under which it is small."""
    size: int = 32
    """Height and width of the images, pixels."""
    signed: frozenset[str] = frozenset()
    """Numeric settings that may be negative."""

    def pictures(self, num_classes: int = 5) -> Pictures:
        """Return the images that it is built for."""
        half = (0.5, 0.5, 0.5)
        return Pictures(shape=(3, self.size, self.size), num_classes=num_classes, mean=half, std=half)

    def halves(self, cut: int, seed: int = 0, num_classes: int = 5) -> Halves:
        """Return it, newly built from a seed, in eval mode."""
        torch.manual_seed(seed)
        halves = Halves(*self.create(**self.settings).halves(cut, self.pictures(num_classes)))
        return Halves(halves.client.eval(), halves.server.eval())

    def all(self) -> Iterator[tuple[int, Halves]]:
        """Yield it at every cut."""
        for cut in range(1, self.create(**self.settings).cuts + 1):
            yield cut, self.halves(cut)

    def images(self) -> Tensor:
        """Return normalised images, ``(BATCH, 3, size, size)``."""
        return torch.randn(BATCH, 3, self.size, self.size, generator=torch.Generator().manual_seed(1))


def has_cuts(case: Case) -> None:
    """``cuts`` is a whole number, at least 1."""
    cuts = getattr(case.create(**case.settings), "cuts", None)
    _require(type(cuts) is int and cuts >= 1, f"cuts must be a whole number >= 1, not {cuts!r}")


def divides_images_into_activation_and_logits(case: Case) -> None:
    """At every cut ``(B, 3, height, width)`` becomes ``(B, C, H, W)`` and then logits, in both modes, all finite."""
    for cut, halves in case.all():
        for mode in (True, False):
            z = halves.client.train(mode)(case.images())
            _require(
                z.dim() == 4 and len(z) == BATCH, f"cut {cut}: the client gives {tuple(z.shape)}, not (B, C, H, W)"
            )
            logits = halves.server.train(mode)(z)
            _require(
                logits.shape == (BATCH, 5), f"cut {cut}: the server gives {tuple(logits.shape)}, not (B, num_classes)"
            )
            _require(bool(z.isfinite().all() and logits.isfinite().all()), f"cut {cut}: what is given is not finite")


def has_the_classes_of_the_images(case: Case) -> None:
    """It has as many logits as the images have classes."""
    for num_classes in (2, 7):
        halves = case.halves(1, num_classes=num_classes)
        given = halves.server(halves.client(case.images())).shape[1]
        _require(given == num_classes, f"of {num_classes} classes it gives {given} logits")


def is_the_same_network_at_every_cut(case: Case) -> None:
    """A cut moves parameters from one half to the other: neither half shares any, and their number stays."""
    numbers = {}
    for cut, (client, server) in case.all():
        shared = set(client.parameters()) & set(server.parameters())
        _require(not shared, f"cut {cut}: client and server share {len(shared)} parameters")
        _require(any(True for _ in client.parameters()), f"cut {cut}: the client has no parameters")
        numbers[cut] = sum(parameter.numel() for half in (client, server) for parameter in half.parameters())
    _require(len(set(numbers.values())) == 1, f"the number of its parameters changes with the cut: {numbers}")


def treats_images_apart(case: Case) -> None:
    """In eval mode what becomes of an image does not depend on the images beside it."""
    for cut, halves in case.all():
        x = case.images()
        with torch.no_grad():
            z = halves.client(x)
            for name, half, given in (("client", halves.client, x), ("server", halves.server, z)):
                together, alone = half(given), torch.cat([half(one) for one in given.split(1)])
                difference = float((together - alone).abs().max() / together.abs().max().clamp(min=1e-12))
                _require(difference <= TOLERANCE, f"cut {cut}: images beside it change what the {name} gives of one")


def repeats_itself(case: Case) -> None:
    """The same seed builds the same network, and in eval mode it draws no random numbers."""
    for cut, halves in case.all():
        again = case.halves(cut)
        for one, other in zip(halves, again, strict=True):
            same = all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
            _require(same, f"cut {cut}: the same seed builds other weights")
        first, second = (halves.server(halves.client(case.images())) for _ in range(2))
        _require(torch.equal(first, second), f"cut {cut}: in eval mode the same images give other logits")


def is_kept_by_its_state(case: Case) -> None:
    """All that it has learned is in its parameters and buffers: another one that loads them does the same."""
    for cut, halves in case.all():
        other = case.halves(cut, seed=2)
        for name, half, loaded in (("client", halves.client, other.client), ("server", halves.server, other.server)):
            _trained_a_little(half)
            loaded.load_state_dict(half.state_dict())
            given = case.images() if name == "client" else halves.client(case.images())
            _require(torch.equal(half.eval()(given), loaded.eval()(given)), f"cut {cut}: the {name} has other state")


def learns_at_every_cut(case: Case) -> None:
    """The task's gradient reaches images, client and server, and is finite."""
    for cut, (client, server) in case.all():
        x = case.images().requires_grad_()
        F.cross_entropy(server(client(x)), torch.arange(BATCH) % 5).backward()
        for name, tensors in (("images", [x]), ("client", [*client.parameters()]), ("server", [*server.parameters()])):
            norm = math.sqrt(sum(float(one.grad.square().sum()) for one in tensors if one.grad is not None))
            _require(math.isfinite(norm) and norm > 0, f"cut {cut}: the gradient of the {name} is {norm}")


def is_built_without_memory(case: Case) -> None:
    """It can be built, and run, under ``torch.device("meta")``: that is how a study is checked."""
    for cut, real in case.all():
        with torch.device("meta"):
            client, server = case.halves(cut)
            x = torch.empty(1, 3, case.size, case.size)
            shapes = [tuple(client(x).shape), tuple(server(client(x)).shape)]
        z = real.client(case.images()[:1])
        _require(
            shapes == [tuple(z.shape), tuple(real.server(z).shape)], f"cut {cut}: without memory it gives {shapes}"
        )


def refuses_bad_settings(case: Case) -> None:
    """A negative number, or none at all, is refused by a ``ValueError`` that names the setting."""
    for name, value in bad_numbers(case.settings, case.signed):
        must_refuse(functools.partial(_halves, case, case.settings | {name: value}), name, value)


def _halves(case: Case, settings: dict[str, Any]) -> Halves:
    return case.create(**settings).halves(1, case.pictures())


LAWS: dict[str, Callable[[Case], None]] = {
    "has_cuts": has_cuts,
    "divides_images_into_activation_and_logits": divides_images_into_activation_and_logits,
    "has_the_classes_of_the_images": has_the_classes_of_the_images,
    "is_the_same_network_at_every_cut": is_the_same_network_at_every_cut,
    "treats_images_apart": treats_images_apart,
    "repeats_itself": repeats_itself,
    "is_kept_by_its_state": is_kept_by_its_state,
    "learns_at_every_cut": learns_at_every_cut,
    "is_built_without_memory": is_built_without_memory,
    "refuses_bad_settings": refuses_bad_settings,
}


def _trained_a_little(half: nn.Module) -> None:
    with torch.no_grad():
        for parameter in half.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)
