"""``invfront doctor``: what is wrong with a study's directory, and what would mend it."""

from typing import Annotated

import typer

from harness.commands.places import Study, find_study
from harness.commands.running import Storage
from harness.environment import settle
from harness.errors import UserError


def doctor(
    study: Study,
    fix: Annotated[bool, typer.Option("--fix", help="Do what would otherwise only be printed.")] = False,
    storage: Storage = None,
) -> None:
    """Say what is wrong with a study, and mend it if told to.

    Nothing is changed without --fix.    Ends with 0 if nothing is wrong or all of it was mended, else with 2. Nothing is thrown away: what cannot be
    read is moved aside, and what has a good copy is restored from it.

    \b
    Examples:
      invfront doctor runs/quickstart
      invfront doctor runs/quickstart --fix
    """
    root = find_study(study)
    settle(None)
    from harness.doctor import examine, mend
    from harness.lease import lease

    with lease(root, "", None):
        open_ = 0
        for finding in examine(root, storage):
            mended = fix and finding.fixable
            if mended:
                mend(root, finding, storage)
            open_ += finding.wrong and not mended
            typer.echo(f"{finding.path}: {finding.what}; {'done' if mended else 'remedy'}: {finding.remedy}")
    if open_:
        raise UserError(
            f"{root}: {open_} to mend" + ("" if fix else f"; see above, then `invfront doctor {root} --fix`")
        )
    typer.echo(f"{root}: nothing is wrong" if not fix else f"{root}: nothing is wrong any more")
