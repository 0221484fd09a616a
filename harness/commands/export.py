"""``invfront export``: passports of trials, to be attacked elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, moved, remarks_apart, say

if TYPE_CHECKING:
    from harness.passports.making import Exported


def export(
    study: StudyPath,
    trial: Annotated[
        list[str] | None, typer.Argument(metavar="[TRIAL...]", help="Numbers of trials, or `front`, the default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where they are written; the study's passports/ by default.")
    ] = None,
    set_: Annotated[list[str] | None, moved("Where images lie: data/root, data/download, attacker/root")] = None,
    as_json: Json = False,
) -> None:
    """Write passports of trials, to be attacked elsewhere.

    A passport holds the client and the defense of each training (never the server, never an image), settings, seeds,
    digests, the attacks' records and claim.json: accuracy, mse and ssim with their intervals, of the trainings that
    confirm the trial if there are any. `invfront attack` attacks it elsewhere and says whether the claim stands.

    \b
    Examples:
      invfront export runs/quickstart 3
      invfront export runs/quickstart front --out passports

    \b
    JSON: passports [{path, claim}], notes [line].
    """
    root = find_study(study)
    quiet(None)
    from harness.ledger import Ledger, send
    from harness.passports.making import FOLDER, SETTABLE
    from harness.passports.making import export as exported
    from harness.study import load_study, refuse_others

    refuse_others(set_ or [], SETTABLE)
    with remarks_apart(as_json):
        moved_study = load_study(root / "study.yaml", set_ or [])
        found = exported(moved_study, Ledger(root.resolve()), trial or ["front"], out or root / FOLDER)
        if out is None:
            send(root / FOLDER)
        for one in found:
            typer.echo(_line(one))
    if as_json:
        say(_document(found))


def _line(one: "Exported") -> str:
    claim = one.claim
    seeds = f"{len(claim.seeds)} seeds" if claim.seeds else "one training of the search"
    note = f"; {one.note}" if one.note else ""
    return (
        f"{one.path}: trial {claim.trial}, accuracy {claim.accuracy:.3f}, mse {claim.mse:.4g} [{claim.mse_low:.4g}, "
        f"{claim.mse_high:.4g}], ssim {claim.ssim:.3f} [{claim.ssim_low:.3f}, {claim.ssim_high:.3f}] on {claim.part}, "
        f"{seeds}{note}"
    )


def _document(found: "list[Exported]") -> dict[str, Any]:
    return {
        "passports": [{"path": str(one.path), "claim": one.claim.model_dump(mode="json")} for one in found],
        "notes": [one.note for one in found if one.note],
    }
