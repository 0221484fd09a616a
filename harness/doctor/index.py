"""Looks at Optuna's rows of a study: whether they can be read, and whether they tell what the directory tells."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from harness.doctor.finding import Finding
from harness.ledger.files import Ledger, TrialFiles
from harness.search.asking import Ground, Search
from harness.search.index import DATABASE, frozen, keep_aside, open_rows, outdated
from harness.study import Space, Study

TORN = "kept aside as study.db.torn-<n>, and rebuilt from the directory"


def examine_index(study: Study, ledger: Ledger, url: str | None) -> Iterator[Finding]:
    """Yield how Optuna's rows differ from the directory, whose files must be readable.

    Args:
        study: The study.
        ledger: Its directory.
        url: A server's storage; null for ``study.db``, of which a copy is opened, since opening may write.
    """
    trials = list(ledger.trials())
    path = ledger.root / DATABASE
    if url is None and not path.exists():
        if trials:
            yield Finding(path=path, what="missing", remedy="rebuilt from the directory", action="rebuild")
        return
    try:
        rows = _rows(_name(study), url) if url else _rows_of_copy(_name(study), path)
    except (SQLAlchemyError, UnicodeDecodeError, ValueError, KeyError) as error:
        yield _torn(path, f"unreadable ({type(error).__name__})", url)
        return
    yield from _compare(rows, trials, study.space(), ledger, url)


def rebuild(study: Study, ledger: Ledger, aside: bool) -> None:
    """Bring ``study.db`` up to date with the directory; with ``aside``, from nothing."""
    if aside:
        keep_aside(ledger.root / DATABASE)
    open_rows(study, ledger, _name(study), None)


def tell(study: Study, ledger: Ledger, url: str | None) -> None:
    """Give Optuna every record that it has not heard of."""
    rows = open_rows(study, ledger, _name(study), url)
    search = Search(study, rows, ledger, Ground(ledger=str(study.ledger), threads={}, precision="float32"))
    for files in ledger.trials():
        if files.record is not None:
            search.tell(files.record)


def _compare(
    rows: list[FrozenTrial], trials: Iterable[TrialFiles], space: Space, ledger: Ledger, url: str | None
) -> Iterator[Finding]:
    path = ledger.root / DATABASE
    listed = list(trials)
    there = {files.number: frozen(files, space) for files in listed}
    lost = [row.number for row in rows if row.number not in there and row.state.is_finished()]
    known = {number: row for number, row in there.items() if number < len(rows)}
    later = {files.number for files in listed if files.later()}
    other = [number for number, row in known.items() if not _agree(rows[number], row, number in later)]
    untold = [n for n, row in known.items() if row.state.is_finished() and rows[n].state == TrialState.RUNNING]
    if lost or other:
        yield _torn(path, f"tells of other trials than the directory: {sorted([*lost, *other])}", url)
    elif len(known) < len(there):
        what = f"has not heard of trials {sorted(there.keys() - known.keys())}"
        yield Finding(path=path, what=what, remedy="they are added from the directory", action="tell")
    elif stale := outdated(rows, ledger):
        what = f"holds objectives of trials {stale} of before attacks that were run later"
        yield Finding(path=path, what=what, remedy="its rows get those of now", action="tell")
    elif untold:
        what = f"still has trials {untold} as running, which are finished"
        yield Finding(path=path, what=what, remedy="their records are told", action="tell")


def _agree(row: FrozenTrial, expected: FrozenTrial, later: bool) -> bool:
    """Say whether a row is what the directory says, or what it said before the record or a later attack came."""
    states = {TrialState.RUNNING, expected.state}
    told = row.state == TrialState.RUNNING or row.values == expected.values or later
    return row.params == expected.params and row.state in states and told


def _torn(path: Path, what: str, url: str | None) -> Finding:
    if url is None:
        return Finding(path=path, what=what, remedy=TORN, action="rebuild", aside=(path,))
    remedy = "delete the study on the server, then resume: its rows are made anew"
    return Finding(path=Path("storage"), what=what, remedy=remedy, action="yours")


def _rows_of_copy(name: str, path: Path) -> list[FrozenTrial]:
    with tempfile.TemporaryDirectory(prefix="invf-doctor-") as folder:
        for file in path.parent.glob(f"{path.name}*"):
            if ".torn-" not in file.name:
                shutil.copy(file, folder)
        return _rows(name, f"sqlite:///{folder}/{path.name}")


def _rows(name: str, url: str) -> list[FrozenTrial]:
    storage = RDBStorage(url)
    try:
        return optuna.load_study(study_name=name, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _name(study: Study) -> str:
    return f"{study.name}-{study.ledger}"
