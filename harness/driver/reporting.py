"""The page of a study, and the weights that are kept for whoever attacks it later."""

from collections.abc import Sequence

from harness.export import write_tables
from harness.judging import Front, JudgedTrial, judged_trials
from harness.ledger import Ledger
from harness.search import importances
from harness.study import Study
from reports.page import render


def write_report(study: Study, ledger: Ledger) -> None:
    """Write tables and page, and let go of the servers that nobody needs any more."""
    trials = list(judged_trials(ledger))
    if study.keep.servers == "front":
        let_go(trials)
    render(write_tables(study, ledger, trials, importances(study.space(), trials)), ledger.root / "report")


def let_go(trials: Sequence[JudgedTrial]) -> None:
    """Remove the servers of finished trials that are neither on the front nor anchors.

    A trial that was attacked later keeps its server: whoever attacks it again compares it with the front. So does
    every trial while an attack of the suite is still to run, and one that is partial, whose attacks may be retried.
    """
    keep = set(Front(trials).numbers)
    for trial in trials:
        needed = (
            trial.number in keep or trial.asked.anchor or trial.later or trial.suite.lacking or trial.state == "partial"
        )
        if trial.record and not needed:
            for server in trial.path.glob("attempt-*/server.safetensors"):
                server.unlink()
