"""The page of a study, and the weights that are kept for whoever attacks it later."""

from harness.export import write_tables
from harness.judging import front_numbers, judged_trials, row_of
from harness.ledger import Ledger
from harness.study import Study
from reports.page import render


def write_report(study: Study, ledger: Ledger) -> None:
    """Write tables and page, and let go of the servers that nobody needs any more.

    A trial that was attacked later keeps its server: whoever attacks it again compares it with the front.
    """
    keep = set(front_numbers(map(row_of, judged_trials(ledger))))
    for files in ledger.trials():
        needed = files.number in keep or files.asked.anchor or files.later
        if files.record and not needed:
            for server in files.path.glob("attempt-*/server.safetensors"):
                server.unlink()
    render(write_tables(study, ledger), ledger.root / "report")
