"""``invfront report``: a study's page, tables and figures."""

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, remarks_apart, say


def report(study: StudyPath, as_json: Json = False) -> None:
    """Write a study's page, tables and figures.

    The directory is all that is read; a running study may be reported on.

    \b
    Examples:
      invfront report runs/quickstart
      invfront report runs/quickstart --json

    \b
    JSON: report (the page), data (the folder of tables).
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
    with remarks_apart(as_json):
        data = write_tables(load_study(root / "study.yaml"), ledger, trials)
        page = render(data, root / "report")
    if as_json:
        say({"report": str(page), "data": str(data)})
    else:
        typer.echo(f"report: {page}")
