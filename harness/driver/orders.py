"""What ``--attack NAME[:budget]`` stands for."""

from typing import NamedTuple

import attacks
from harness.errors import UserError
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
