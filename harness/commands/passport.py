"""``invfront attack passport.zip``: what it does of a passport in place of a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.commands.environment import quiet
from harness.commands.options import remarks_apart, say
from harness.commands.working import NONE_SUCCEEDED
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.passports.reattack import Reattacked
    from harness.records import Progress

IN_PROCESS = "in-process"
"""Where a passport is attacked, whatever is said."""


def is_passport(path: Path) -> bool:
    """Say whether a path is meant as a passport's: an archive, or any file that is no study's."""
    return path.suffix.lower() == ".zip" or (path.is_file() and path.suffix.lower() not in (".yaml", ".yml"))


def refuse_of_studies(trial: Sequence[str], given: Mapping[str, object]) -> None:
    """Refuse what is for studies alone.

    Args:
        trial: The trials that were named.
        given: Options that only a study takes, by name.
    """
    if trial:
        raise UserError(f"TRIAL {' '.join(trial)}: a passport is of one trial; leave it out")
    for name, value in given.items():
        if value:
            raise UserError(f"{name}: is for a study; leave it out, a passport is attacked in this process")


def attack_it(
    path: Path, orders: Sequence[tuple[str, str, int, int]], sets: Sequence[str], *, allow_plugins: bool, as_json: bool
) -> int:
    """Attack a passport, say how its claim stands, and return the exit code.

    Args:
        path: The passport.
        orders: Name, budget, seed and settings to tune over of each attack; none for the claim's own.
        sets: Where images lie.
        allow_plugins: Whether plug-ins that the passport names may be imported.
        as_json: Whether a document is printed.
    """
    quiet(IN_PROCESS)
    import attacks
    from harness.passports.reattack import Order, attack_passport, lines
    from harness.records import AttackJob

    jobs = [
        AttackJob(attack=name, budget=budget, seed=seed, part="", kind=attacks.resolve(name).kind, tune=tune)
        for name, budget, seed, tune in orders
    ]
    notes: list[str] = []

    def tell(progress: "Progress") -> None:
        if progress.done == 0:
            typer.echo(f"{progress.job} started")

    def noted(line: str) -> None:
        notes.append(line)
        typer.echo(line)

    with remarks_apart(as_json):
        found = attack_passport(Order(path, jobs, sets, allow_plugins), tell, noted)
        for line in lines(found):
            typer.echo(line)
    if as_json:
        say(_document(found, notes))
    return 0 if any(held.mse is not None or held.knowledge for held in found.now) else NONE_SUCCEEDED


def _document(found: "Reattacked", notes: list[str]) -> dict[str, Any]:
    return {
        "claim": found.passport.claim.model_dump(mode="json"),
        "stands": found.stands,
        "attacks": [held._asdict() for held in found.now],
        "earlier": [held._asdict() for held in found.all if held not in found.now],
        "notes": notes,
    }
