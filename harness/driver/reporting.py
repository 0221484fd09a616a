"""The page of a study, and the weights that are kept for whoever attacks it later."""

from collections.abc import Sequence

from harness.export import write_tables
from harness.judging import Front, JudgedTrial, judged_trials
from harness.ledger import SERVER, Ledger, drop, send
from harness.search import importances
from harness.study import Study
from reports.page import render


def write_report(study: Study, ledger: Ledger) -> None:
    """Write tables and page, and let go of the servers that nobody needs any more."""
    trials = list(judged_trials(ledger))
    if study.keep.servers == "front":
        let_go(trials)
    page = render(write_tables(study, ledger, trials, importances(study.space(), trials)), ledger.root / "report")
    ledger.patience(lambda: send(page.parent))


def let_go(trials: Sequence[JudgedTrial]) -> None:
    """Remove the servers of finished trials that are neither on the front nor anchors.

    A trial that was attacked later keeps its server: whoever attacks it again compares it with the front. So does
    every trial while an attack of the suite is still to run, and one that is partial, whose attacks may be retried.
    """
    keep, going = set(Front(trials).numbers), []
    for trial in trials:
        needed = (
            trial.number in keep or trial.asked.anchor or trial.later or trial.suite.lacking or trial.state == "partial"
        )
        if trial.record and not needed:
            going.append(trial.path)
    drop(going, f"attempt-*/{SERVER}")
