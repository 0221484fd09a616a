"""What the device does to an activation before it is released, and what it is trained to minimise."""

import re
from importlib import import_module
from importlib.metadata import entry_points
from inspect import Parameter, signature
from typing import Any

from defenses.arl import Arl
from defenses.atat import AntiAdversarial
from defenses.base import Defense
from defenses.bido import Bido
from defenses.cem_code import CemCode
from defenses.cem_paper import CemPaper
from defenses.class_gaussian import ClassGaussian
from defenses.dfil import Dfil
from defenses.disco import Disco
from defenses.dropout import Dropout
from defenses.fsinfo import FSInfo
from defenses.fusion_mixture import FusionMixture
from defenses.fusion_parallel import FusionParallel
from defenses.fusion_shortcut import FusionShortcut
from defenses.gated_adversarial import GatedAdversarial
from defenses.gated_attention import GatedAttention
from defenses.gated_closed import GatedClosed
from defenses.gated_heads import GatedHeads
from defenses.gated_random import GatedRandom
from defenses.infodecom import InfoDecom
from defenses.infoscissors import InfoScissors
from defenses.kmeans import KMeans
from defenses.knife import Knife
from defenses.laplace import Laplace
from defenses.learned_noise import LearnedNoise
from defenses.linear_adversary import LinearAdversary
from defenses.local_dp import LocalDP
from defenses.nopeek import NoPeek
from defenses.pairwise import Pairwise
from defenses.patrol import Patrol
from defenses.patrol_code import PatrolCode
from defenses.prior_jacobian import PriorJacobian
from defenses.projection import Projection
from defenses.renyi import Renyi
from defenses.rotated_noise import RotatedNoise
from defenses.rounding import Rounding
from defenses.shredder import Shredder
from defenses.siftfunnel import SiftFunnel
from defenses.slot_attention import SlotAttention
from defenses.slot_corrected import SlotCorrected
from defenses.slot_random import SlotRandom
from defenses.slot_shut_off import SlotShutOff
from defenses.topk import TopK
from defenses.vib import Vib

DEFENSES: dict[str, type[Defense]] = {
    "none": Defense,
    "laplace": Laplace,
    "local_dp": LocalDP,
    "dropout": Dropout,
    "topk": TopK,
    "rounding": Rounding,
    "nopeek": NoPeek,
    "arl": Arl,
    "patrol": Patrol,
    "patrol_code": PatrolCode,
    "shredder": Shredder,
    "disco": Disco,
    "vib": Vib,
    "bido": Bido,
    "siftfunnel": SiftFunnel,
    "projection": Projection,
    "infoscissors": InfoScissors,
    "atat": AntiAdversarial,
    "fsinfo": FSInfo,
    "infodecom": InfoDecom,
    "cem_paper": CemPaper,
    "cem_code": CemCode,
    "class_gaussian": ClassGaussian,
    "gated_attention": GatedAttention,
    "gated_closed": GatedClosed,
    "gated_heads": GatedHeads,
    "gated_random": GatedRandom,
    "gated_adversarial": GatedAdversarial,
    "slot_attention": SlotAttention,
    "slot_shut_off": SlotShutOff,
    "slot_corrected": SlotCorrected,
    "slot_random": SlotRandom,
    "kmeans": KMeans,
    "fusion_shortcut": FusionShortcut,
    "fusion_parallel": FusionParallel,
    "fusion_mixture": FusionMixture,
    "linear_adversary": LinearAdversary,
    "knife": Knife,
    "learned_noise": LearnedNoise,
    "rotated_noise": RotatedNoise,
    "renyi": Renyi,
    "pairwise": Pairwise,
    "dfil": Dfil,
    "prior_jacobian": PriorJacobian,
}

_PLUGIN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def resolve(name: str) -> type[Defense]:
    """Return the class that a name stands for, importing it if it is a plug-in's.

    Args:
        name: Of the table, of an entry point in the group ``invfront.defenses``, or ``package.module:Class``.
    """
    if name in DEFENSES:
        return DEFENSES[name]
    if _PLUGIN.fullmatch(name):
        module, _, attribute = name.partition(":")
        try:
            return _checked(name, getattr(import_module(module), attribute))
        except (ImportError, AttributeError) as error:
            raise ValueError(f"defense {name}: {error}; is its package installed or on PYTHONPATH?") from error
    installed = entry_points(group="invfront.defenses")  # reads the metadata of every package
    if name in installed.names:
        return _checked(name, installed[name].load())
    known = ", ".join([*DEFENSES, *sorted(installed.names)])
    raise ValueError(f"no defense {name!r}; known: {known}; or name a class as package.module:Class")


def settings(defense: type[Defense]) -> dict[str, Any]:
    """Return a defense's settings by name with their defaults, ``inspect.Parameter.empty`` where there is none."""
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    parameters = signature(defense).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind not in variadic}


def make(name: str, /, **chosen: Any) -> Defense:
    """Construct a defense from its settings.

    Raises:
        ValueError: the name is unknown, or a setting is unknown, missing or out of its range.
    """
    defense = resolve(name)
    accepted = settings(defense)
    if unknown := sorted(chosen.keys() - accepted.keys()):
        raise ValueError(f"defense/{name}: takes {sorted(accepted)}, not {unknown}")
    required = {setting for setting, default in accepted.items() if default is Parameter.empty}
    if missing := sorted(required - chosen.keys()):
        raise ValueError(f"defense/{name}: needs {missing}")
    try:
        return defense(**chosen)
    except ValueError as error:
        raise ValueError(f"defense/{name}: {error}") from error


def _checked(name: str, found: object) -> type[Defense]:
    if isinstance(found, type) and issubclass(found, Defense):
        return found
    raise ValueError(f"defense {name}: {found!r} is not a subclass of defenses.base.Defense")
