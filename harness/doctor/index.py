"""What is wrong with Optuna's rows of a study, and how it is mended."""

from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Finding
from harness.judging import Book, judged_trials
from harness.ledger import Ledger
from harness.search import DATABASE, MISSING, Conditions, Search, compared, keep_aside, open_rows, reconcile, redrawn
from harness.search.comparing import edited_line
from harness.search.index import foreign_line
from harness.study import Study

TORN = "kept aside as study.db.torn-<n>, and rebuilt from the directory"


def examine_index(study: Study, ledger: Ledger, url: str | None) -> Iterator[Finding]:
    """Yield how Optuna's rows differ from the directory, whose files must be readable; ``url`` as of ``compared``."""
    path, outlines = ledger.root / DATABASE, Book(judged_trials(ledger)).outlines
    if not ledger.lineage_file.exists() and (edit := redrawn(study, ledger.root, url)):
        yield Finding(path=ledger.study_file, what=edited_line(edit), remedy="put back what it said", action="yours")
        return
    found = compared(study, ledger.root, outlines, url)
    if found == MISSING and url:
        remedy = "give the --storage by which the study ran; or resume with this one: its rows are made there"
        yield Finding(path=Path("storage"), what="has no rows of this study", remedy=remedy, action="yours")
    elif found == MISSING:
        yield Finding(path=path, what="missing", remedy="rebuilt from the directory", action="rebuild")
    elif found.strangers:
        what = foreign_line(found.strangers)
        yield Finding(path=ledger.study_file, what=what, remedy="doctor cannot tell what it said", action="yours")
    elif found.fault:
        yield _torn(path, found.fault, url)
    elif found.other:
        yield _torn(path, f"tells of other trials than the directory: {list(found.other)}", url)
    elif found.unheard:
        what = f"has not heard of trials {list(found.unheard)}"
        yield Finding(path=path, what=what, remedy="they are added from the directory", action="tell")
    elif found.outdated:
        what = f"holds objectives of trials {list(found.outdated)} of before attacks that were run later"
        yield Finding(path=path, what=what, remedy="its rows get those of now", action="tell")
    elif found.untold:
        what = f"still has trials {list(found.untold)} as running, which are finished"
        yield Finding(path=path, what=what, remedy="their records are told", action="tell")


def rebuild(study: Study, ledger: Ledger, aside: bool) -> None:
    """Bring ``study.db`` up to date with the directory; with ``aside``, from nothing."""
    if aside:
        keep_aside(ledger.root / DATABASE)
    open_rows(study, ledger.root, Book(judged_trials(ledger)).outlines, None)


def tell(study: Study, ledger: Ledger, url: str | None) -> None:
    """Give Optuna every record that it has not heard of."""
    book = Book(judged_trials(ledger))
    rows = open_rows(study, ledger.root, book.outlines, url)
    nothing = Conditions(ledger=str(study.ledger), attacks=(), threads={}, precision="float32")
    reconcile(Search(study, rows, ledger, nothing), rows, book)


def _torn(path: Path, what: str, url: str | None) -> Finding:
    if url is None:
        return Finding(path=path, what=what, remedy=TORN, action="rebuild", aside=(path,))
    remedy = "delete the study on the server, then resume: its rows are made anew"
    return Finding(path=Path("storage"), what=what, remedy=remedy, action="yours")
