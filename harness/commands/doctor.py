"""``invfront doctor``: what is wrong with a study's directory, and what would mend it."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Storage
from harness.errors import UserError

ROUNDS = 3
"""The rows can only be compared once the files are whole, and a trial may have more than one fault."""


def doctor(
    study: StudyPath,
    fix: Annotated[bool, typer.Option("--fix", help="Do what would otherwise only be printed.")] = False,
    storage: Storage = None,
) -> None:
    """Say what is wrong with a study, and mend it if told to.

    Nothing is changed without --fix. Nothing is thrown away: what cannot be read is moved aside, and what has a good
    copy is restored from it. Ends with 0 if nothing is wrong or all of it was mended, else with 2.

    \b
    Examples:
      invfront doctor runs/quickstart
      invfront doctor runs/quickstart --fix
    """
    root = find_study(study)
    quiet(None)
    from harness.doctor import examine, mend
    from harness.ledger.lease import lease
    from harness.search import check_storage

    ledger, url = _whereabouts(root, storage)
    check_storage(url)
    with lease(root, ledger, url):
        found = examine(root, url)
        for _ in range(ROUNDS):
            fixable = [finding for finding in found if fix and finding.fixable]
            if not fixable:
                break
            for finding in fixable:
                mend(root, finding, url)
                typer.echo(f"{finding.path}: {finding.what}; done: {finding.remedy}")
            found = examine(root, url)
    for finding in found:
        typer.echo(f"{finding.path}: {finding.what}; {finding.remedy}")
    if num_wrong := sum(finding.wrong for finding in found):
        way_out = "mend what is left by hand" if fix else f"`invfront doctor {root} --fix` does what can be done"
        raise UserError(f"{root}: wrong in {num_wrong} places, listed above; {way_out}")
    typer.echo(f"{root}: nothing is wrong")


def _whereabouts(root: Path, storage: str | None) -> tuple[str, str | None]:
    """Return a study's ledger and the URL of its rows, null for ``study.db``: the one given, else the remembered.

    A study file that cannot be read tells neither; doctor reports it, and then looks at no rows.
    """
    from harness.study import load_study

    try:
        study = load_study(root / "study.yaml")
    except UserError:
        return "", None
    return str(study.ledger), storage or study.storage
