"""``invfront status``: how far a study is."""

from typing import Annotated

import typer

from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study


def status(
    study: StudyPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how far a study is: its states and its front.

    \b
    Examples:
      invfront status runs/quickstart
      invfront status runs --json
    """
    root = find_study(study)
    quiet(None)
    from harness.commands.summary import overview
    from harness.judging import judged_trials
    from harness.judging import status as standing
    from harness.ledger import Ledger
    from harness.study import load_study

    found, ledger = load_study(root / "study.yaml"), Ledger(root)
    now = standing(found.named(), found.search.trials, judged_trials(ledger))
    if as_json:
        typer.echo(now.model_dump_json())
        return
    for line in overview(now, ledger):
        typer.echo(line)
