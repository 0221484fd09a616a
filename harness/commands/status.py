"""``invfront status``: how far a study is."""

import gc

import typer

from harness.commands.ctl import told as as_told
from harness.commands.ctl import told_line
from harness.commands.environment import quiet
from harness.commands.finding import StudyPath, find_study
from harness.commands.options import Json, say

MOST_ASKED = 5
"""What was asked last by `invfront ctl`, that is shown."""


def status(study: StudyPath, as_json: Json = False) -> None:
    """Say how far a study is, what is on its front, and its size.

    \b
    Examples:
      invfront status runs/quickstart
      invfront status runs --json

    \b
    JSON: name, digest, budget, states {state: trials}, front [trial], objectives {name: direction},
    unsettled [attack that not all of the front has], mixed [line on two versions of one thing], ended (which limit
    ended it, or null), disk {kind of files: bytes, total, free}, widened [line], informed [line on results of another
    study], ctl [{asked, time, state, text}], confirmed {candidates, seeds, waiting}.
    """
    root = find_study(study)
    quiet(None)
    from harness.commands.summary import confirmed_lines, disk_line, overview
    from harness.judging import confirmed_so_far, judged_trials, suite_of, widened_lines
    from harness.judging import status as standing
    from harness.ledger import Ledger
    from harness.ledger.disk import free_bytes, sizes
    from harness.ledger.requests import Requests
    from harness.study import borrowed_lines, load_study

    found, ledger = load_study(root / "study.yaml"), Ledger(root)
    gc.disable()  # nothing that is read goes in circles: looking for that takes an eighth of the time
    try:
        now = standing(found.named(), found.search.trials, judged_trials(ledger)).ended_by(ledger.ended())
    finally:
        gc.enable()
    disk = sizes(root) | {"free": free_bytes(root)}
    confirming, asked = confirmed_so_far(ledger), Requests(root).all()
    if as_json:
        lines = {"widened": list(widened_lines(ledger, suite_of(ledger))), "informed": list(borrowed_lines(found))}
        told = {**lines, "ctl": [as_told(put) for put in asked]}
        confirmed = {"confirmed": confirming.model_dump(mode="json")}
        say(now.model_dump(mode="json") | {"disk": disk} | told | confirmed)
        return
    steered = [told_line(put) for put in asked[-MOST_ASKED:]]
    for line in (*overview(now, ledger), *confirmed_lines(confirming), *steered, disk_line(disk)):
        typer.echo(line)
