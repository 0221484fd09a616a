"""What is wrong with a study's own file: missing, unreadable, edited by hand."""

from collections.abc import Iterator

from harness.doctor.finding import Finding
from harness.errors import UserError
from harness.ledger import Ledger
from harness.records import Lineage
from harness.study import by_hand, load_study
from harness.study.borrowing import COPY, fault_of, without

WRITTEN = "put back as its driver wrote it last"


def examine_study(ledger: Ledger) -> Iterator[Finding]:
    """Yield what is wrong with ``study.yaml`` and ``lineage.json``."""
    path = ledger.study_file
    try:
        lineage = ledger.lineage()
    except UserError as error:
        yield _unreadable(ledger, error)
        lineage = None
    try:
        study = load_study(path)
    except UserError as error:
        what = str(error).removeprefix(f"{path}: ")
        yield _restored(ledger, what, lineage)
        return
    found = None if lineage is None else by_hand(study, lineage)
    if found is not None:
        yield _restored(ledger, f"{found.path}: edited by hand, {found.other} in place of {found.one}", lineage)
    elif fault := fault_of(study, ledger.root):
        remedy = f"put back a copy of it, such as {COPY}, or go on without: {without(ledger.root)}"
        yield Finding(path=ledger.borrowed_file, what=fault, remedy=remedy, action="yours")


def _restored(ledger: Ledger, what: str, lineage: Lineage | None) -> Finding:
    path = ledger.study_file
    if lineage is None:
        remedy = "put back a copy of it, such as the one in MLflow's run of the study; the trials are whole without it"
        return Finding(path=path, what=what, remedy=remedy, action="yours")
    aside = (path,) if path.exists() else ()
    return Finding(path=path, what=what, remedy=WRITTEN, action="restore", aside=aside, copy=lineage.study.encode())


def _unreadable(ledger: Ledger, error: UserError) -> Finding:
    path = ledger.lineage_file
    what = str(error).removeprefix(f"{path}: ").partition("; see `invfront doctor")[0]
    if b"\nextends:" in (ledger.study_file.read_bytes() if ledger.study_file.exists() else b""):
        remedy = "put back a copy of it: it alone tells when the study was widened"
        return Finding(path=path, what=what, remedy=remedy, action="yours")
    remedy = "moved aside: the next driver writes it anew"
    return Finding(path=path, what=what, remedy=remedy, action="again", aside=(path,))
