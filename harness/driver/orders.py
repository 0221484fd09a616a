"""What ``--attack NAME[:budget]`` stands for."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import attacks
from harness.errors import UserError
from harness.study import load_study
from harness.study.attacker_levels import MEMBERS, Level
from harness.study.check import REFUSALS
from harness.study.problem import suggestion

BUDGET = "standard"
"""Budget of an attack that is named without one."""


class AttackOrder(NamedTuple):
    """An attack to run on finished trials."""

    attack: str
    budget: str
    seed: int = 0
    tune: int = 0


def order_of(text: str, seed: int = 0, tune: int = 0) -> AttackOrder:
    """Return what ``NAME`` or ``NAME:budget`` stands for; a plug-in's name has a colon of its own.

    Raises:
        UserError: there is no such attack or budget, or the attack cannot be tuned.
    """
    name, budget = _split(text)
    try:
        kind = attacks.resolve(name)
        settings = attacks.budget(kind, budget)
        kind(**settings)
    except REFUSALS as error:
        raise UserError(f"--attack {text}: {error}{suggestion(name, attacks.ATTACKS)}") from error
    if tune and not kind.tunable:
        raise UserError(f"--tune {tune}: {name} has nothing to tune; leave it out")
    return AttackOrder(name, budget, seed, tune)


def levels_of(root: Path, texts: Sequence[str], *, own: bool) -> tuple[Level, ...]:
    """Return what ``--images N|members`` and ``--levels`` stand for, each once.

    Args:
        root: The study's directory.
        texts: Of ``--images``.
        own: Whether the study's other levels are among them.

    Raises:
        UserError: a text is no level, the study has no other levels, or its protocol fixes the attacker's images.
    """
    study = load_study(root / "study.yaml") if own or texts else None
    if study is None:
        return ()
    if study.protocol == "cem":
        raise UserError(f"{'--levels' if own else '--images'}: the published protocol fixes the attacker's images")
    if own and not study.attacker.lower:
        raise UserError("--levels: the study has no other levels of attacker/images; name them by --images")
    held = (*(study.attacker.lower if own else ()), *map(_level, texts))
    if MEMBERS in held and study.attacker.data == MEMBERS:
        raise UserError(f"--images {MEMBERS}: the study's own attacker holds them; leave it out")
    if study.attacker.own in held:
        raise UserError(f"--images {study.attacker.own}: is what the study's own attacker holds; leave it out")
    return tuple(dict.fromkeys(held))


def _level(text: str) -> Level:
    if text == MEMBERS:
        return text
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise UserError(f"--images {text}: takes a number of images >= 1, or {MEMBERS}")
    return int(text)


def _split(text: str) -> tuple[str, str]:
    """Return the attack's name and its budget; of what stands for nothing, what is to be blamed for it."""
    name, colon, budget = text.rpartition(":")
    if not colon:
        return text, BUDGET
    if _stands(name) and budget in attacks.resolve(name).budgets:
        return name, budget
    misspelt = ":" in name or suggestion(name, attacks.ATTACKS)
    return (name, budget) if not _stands(text) and (_stands(name) or misspelt) else (text, BUDGET)


def _stands(name: str) -> bool:
    """Say whether a name stands for an attack."""
    try:
        attacks.resolve(name)
    except ValueError:
        return False
    return True
