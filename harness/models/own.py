"""A network of one's own: the class that gives a client and a server for a cut, and what is made of it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any, NamedTuple

from torch import nn

from harness import plugins
from harness.models.network import Pictures


class Halves(NamedTuple):
    """A network, cut; the two share no parameter."""

    client: nn.Module
    """Maps normalised images, ``(B, 3, height, width)``, to ``(B, C, H, W)``; has parameters."""
    server: nn.Module
    """Maps ``(B, C, H, W)`` to logits, ``(B, num_classes)``."""


class Body(ABC):
    """A network of one's own; constructor keywords are its settings, and may be searched over.

    Images are normalised before its client, and a bottleneck, if the study has one, and a sigmoid follow it, as of
    every network here: activations are in (0, 1), which the ranges of defenses count on. Initial weights are its own;
    they may be those of a trained network. In eval mode neither half draws random numbers or mixes images.
    """

    cuts: int
    """``cut`` may be 1 to this."""

    @abstractmethod
    def halves(self, cut: int, pictures: Pictures) -> Halves:
        """Return the network, newly built.

        It is also built under ``torch.device("meta")``, where tensors have no values, when a study is checked.

        Args:
            cut: How much of it is on the device, 1 to ``cuts``; a cut divides the network and does not change it.
            pictures: The images that it is for.

        Raises:
            ValueError: such images cannot be had; the message says what can.
        """


def resolve(name: str, known: Sequence[str] = ()) -> type[Body]:
    """Return the class that a name stands for, its module being imported.

    Raises:
        ValueError: it stands for none.
    """
    found = plugins.find("network", name, plugins.MODELS, known)
    if isinstance(found, type) and issubclass(found, Body):
        return found
    raise ValueError(f"network {name}: {found!r} is not a subclass of harness.models.Body")


def halves_of(name: str, settings: Mapping[str, Any], cut: int, pictures: Pictures) -> Halves:
    """Return the halves of a network of one's own.

    Raises:
        ValueError: begins with the path of what cannot be had.
    """
    path = f"model/{name}"
    body = _made(name, settings)
    if not 1 <= cut <= body.cuts:
        raise ValueError(f"model/cut: {name} takes 1 to {body.cuts}, not {cut}")
    try:
        halves = Halves(*body.halves(cut, pictures))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # whatever a user's own class raises
        raise ValueError(f"{path}: {plugins.blamed(error)}") from error
    if not all(isinstance(half, nn.Module) for half in halves):
        raise ValueError(f"{path}: halves gives {[type(half).__name__ for half in halves]}, not two modules")
    if not any(True for _ in halves.client.parameters()):
        raise ValueError(f"{path}: the client at cut {cut} has no parameters, so nothing of it would be trained")
    shared = set(halves.client.parameters()) & set(halves.server.parameters())
    if shared:
        raise ValueError(f"{path}: client and server share {len(shared)} parameters at cut {cut}; give each its own")
    return halves


def _made(name: str, settings: Mapping[str, Any]) -> Body:
    path, kind = f"model/{name}", resolve(name)
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    accepted = {key: value.default for key, value in signature(kind).parameters.items() if value.kind not in variadic}
    if unknown := [setting for setting in settings if setting not in accepted]:
        raise ValueError(f"{path}/{unknown[0]}: unknown key; {name} takes {', '.join(accepted) or 'no settings'}")
    if missing := [key for key, default in accepted.items() if default is Parameter.empty and key not in settings]:
        raise ValueError(f"{path}/{missing[0]}: is missing; {name} has no default for it")
    try:
        body = kind(**settings)
    except ValueError as error:
        named = next((setting for setting in settings if re.search(rf"\b{setting}\b", str(error))), None)
        raise ValueError(f"{path if named is None else f'{path}/{named}'}: {error}") from error
    except Exception as error:  # whatever a user's own class raises
        raise ValueError(f"{path}: {plugins.blamed(error)}") from error
    if type(getattr(body, "cuts", None)) is not int or body.cuts < 1:
        raise ValueError(f"{path}: cuts must be a whole number >= 1, not {getattr(body, 'cuts', None)!r}")
    return body
