"""``invfront status`` and ``invfront report``: what a study's directory says."""

from typing import Annotated

import typer

from harness.commands.environment import settle
from harness.commands.places import Study, find_study


def status(
    study: Study,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how far a study is: its states and its front.

    \b
    Examples:
      invfront status runs/quickstart
      invfront status runs --json
    """
    root = find_study(study)
    settle(None)
    from harness.commands.summary import overview
    from harness.judging.standing import read_status
    from harness.ledger.files import Ledger
    from harness.study import load_study

    ledger = Ledger(root)
    now = read_status(load_study(root / "study.yaml", plugins=False), ledger)
    if as_json:
        typer.echo(now.model_dump_json())
        return
    for line in overview(now, ledger):
        typer.echo(line)


def report(study: Study) -> None:
    """Write a study's page, tables and figures.

    The directory is all that is read; a running study may be reported on.

    \b
    Examples:
      invfront report runs/quickstart
    """
    root = find_study(study)
    settle(None)
    from harness.export.folder import write_tables
    from harness.ledger.files import Ledger
    from harness.study import load_study
    from reports.page import render

    page = render(write_tables(load_study(root / "study.yaml", plugins=False), Ledger(root)), root / "report")
    typer.echo(f"report: {page}")
