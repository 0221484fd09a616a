"""How an adversary turns a released activation back into the image, and how well it did."""

import re
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from attacks.base import Attack, ProbeAttack
from attacks.confidence import Confidence
from attacks.decoder import Decoder
from attacks.decoder_xl import DecoderXl
from attacks.diffusion import Diffusion
from attacks.dip import Dip
from attacks.fora import Fora
from attacks.gan_decoder import GanDecoder
from attacks.gan_prior import GanPrior
from attacks.gradient import Gradient
from attacks.linear import Linear
from attacks.membership import Membership
from attacks.query_free import QueryFree
from attacks.repeated import Repeated
from attacks.representative import Representative
from attacks.rmle import Rmle
from attacks.unrolled import Unrolled

AnyAttack = type[Attack] | type[ProbeAttack]
"""A class that stands under a name: a reconstruction attack, or a probe of another leakage."""

ATTACKS: dict[str, AnyAttack] = {
    "decoder": Decoder,
    "decoder_xl": DecoderXl,
    "linear": Linear,
    "unrolled": Unrolled,
    "rmle": Rmle,
    "dip": Dip,
    "query_free": QueryFree,
    "fora": Fora,
    "gan_decoder": GanDecoder,
    "gan_prior": GanPrior,
    "diffusion": Diffusion,
    "repeated": Repeated,
    "confidence": Confidence,
    "representative": Representative,
    "gradient": Gradient,
    "membership": Membership,
}

_PLUGIN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def resolve(name: str) -> AnyAttack:
    """Return the class that a name stands for, importing it if it is a plug-in's.

    Args:
        name: Of the table, of an entry point in the group ``invfront.attacks``, or ``package.module:Class``.

    Raises:
        ValueError: the name stands for no attack.
    """
    if name in ATTACKS:
        return ATTACKS[name]
    if _PLUGIN.fullmatch(name):
        module, _, attribute = name.partition(":")
        try:
            return _checked(name, getattr(import_module(module), attribute))
        except (ImportError, AttributeError) as error:
            raise ValueError(f"attack {name}: {error}; is its package installed or on PYTHONPATH?") from error
    installed = entry_points(group="invfront.attacks")  # reads the metadata of every package
    if name in installed.names:
        return _checked(name, installed[name].load())
    known = ", ".join([*ATTACKS, *sorted(installed.names)])
    raise ValueError(f"no attack {name!r}; known: {known}; or name a class as package.module:Class")


def budget(attack: AnyAttack, name: str) -> dict[str, Any]:
    """Return the constructor's settings under one of an attack's budgets.

    Raises:
        ValueError: the attack has no budget of that name.
    """
    if name not in attack.budgets:
        raise ValueError(f"{attack.__name__} takes the budgets {sorted(attack.budgets)}, not {name!r}")
    return dict(attack.budgets[name])


def half_as_wide(attack: AnyAttack, settings: dict[str, Any]) -> dict[str, Any]:
    """Return an attack's settings with half its network's width.

    Raises:
        ValueError: it names no setting that is a width.
    """
    name = getattr(attack, "width_setting", None)
    if name is None:
        raise ValueError(f"{attack.__name__} names no setting that is its width")
    return settings | {name: max(1, settings[name] // 2)}


def _checked(name: str, found: object) -> AnyAttack:
    if isinstance(found, type) and issubclass(found, Attack | ProbeAttack):
        return found
    raise ValueError(f"attack {name}: {found!r} is not a subclass of attacks.base.Attack or ProbeAttack")
