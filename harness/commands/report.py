"""``invfront report``: a study's page, tables and figures."""

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study


def report(study: StudyPath) -> None:
    """Write a study's page, tables and figures.

    The directory is all that is read; a running study may be reported on.

    \b
    Examples:
      invfront report runs/quickstart
    """
    root = find_study(study)
    quiet(None)
    from harness.export import write_tables
    from harness.judging import judged_trials
    from harness.ledger import Ledger
    from harness.study import load_study
    from reports.page import render

    ledger = Ledger(root)
    trials = list(judged_trials(ledger))
    page = render(write_tables(load_study(root / "study.yaml"), ledger, trials), root / "report")
    typer.echo(f"report: {page}")
