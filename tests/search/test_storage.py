"""What happens to Optuna's storage under a study: faults on the way, other people's databases, names of objectives."""

import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from harness.errors import UserError
from harness.ledger import patience as module
from harness.ledger.database import sqlite_path, sqlite_url
from harness.ledger.files import Ledger
from harness.ledger.patience import Patience
from harness.search.asking import Conditions, Search
from harness.search.comparing import MISSING, compared
from harness.search.index import open_rows
from harness.search.reconciling import reconcile
from harness.search.storage import check_storage
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from harness.tracking.store import locate
from tests.search.test_asking import SPACE
from tests.values import book_of

TRIALS = 6


def searching(root, patience=None):
    file = root / "space.yaml"
    file.write_text(f"{SPACE}\nsearch: {{trials: {TRIALS}, seed: 1}}\n")
    study, ledger = load_checked(file), Ledger(root)
    book = book_of(ledger)
    rows = open_rows(study, root, book.outlines, None)
    conditions = Conditions("l", attack_jobs(study), {"train": 1, "attack": 1}, "float32")
    search = Search(study, rows, ledger, conditions, patience or Patience())
    reconcile(search, rows, book)
    return search, rows, ledger


def asked_study(root):
    """A study of which two trials were asked."""
    search, _, ledger = searching(root)
    for _ in range(2):
        search.ask()
    return load_checked(root / "space.yaml"), ledger


def failing(engine: sqlalchemy.Engine, at: int) -> None:
    """Let the nth write from now on fail, once."""
    left = [at]

    def fail(connection, cursor, statement, *rest):
        if statement.startswith(("INSERT", "UPDATE")):
            left[0] -= 1
            if left[0] == 0:
                raise OperationalError(statement, {}, ConnectionError("the server is away"))

    sqlalchemy.event.listen(engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("at", [1, 5, 21, *(pytest.param(at, marks=pytest.mark.slow) for at in (2, 3, 8, 13))])
def test_an_ask_that_fails_at_any_write_is_made_again_and_no_number_is_lost_or_double(at, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    (tmp_path / "whole").mkdir()
    whole, _, _ = searching(tmp_path / "whole")
    wanted = [whole.ask() for _ in range(TRIALS)]
    search, rows, ledger = searching(tmp_path, Patience(seconds=60, way="resume"))
    failing(rows._storage._backend.engine, at)
    found = [search.ask() for _ in range(TRIALS)]
    assert search.ask() is None
    assert [asked.number for asked in found] == ledger.numbers() == list(range(TRIALS))
    assert [row.number for row in rows.get_trials()] == list(range(TRIALS))
    names = [[asked.settings["defense/name"] for asked in each] for each in (wanted, found)]
    assert names[0] == names[1]


def test_objectives_have_names_for_whoever_looks_with_optunas_own_tools(tmp_path):
    searching(tmp_path)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.metric_names == ["accuracy", "mse", "ssim"]


@pytest.fixture
def foreign(tmp_path):
    """A database of something else."""
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    return path


def test_a_database_of_something_else_is_refused_and_stays_as_it_is(foreign):
    before = foreign.read_bytes()
    with pytest.raises(UserError, match=r"theirs\.db is a database of something else"):
        check_storage(sqlite_url(foreign))
    assert foreign.read_bytes() == before


def test_doctor_writes_nothing_into_a_storage_that_holds_no_study(foreign, tmp_path):
    study, ledger = asked_study(tmp_path)
    outlines = book_of(ledger).outlines
    empty, missing = tmp_path / "empty.db", tmp_path / "missing.db"
    empty.touch()
    for path in (foreign, empty, missing):
        before = path.read_bytes() if path.exists() else None
        assert compared(study, ledger.root, outlines, sqlite_url(path)) == MISSING
        assert (path.read_bytes() if path.exists() else None) == before


def test_looking_at_a_storage_makes_no_file(tmp_path):
    check_storage(sqlite_url(tmp_path / "new.db"))
    with pytest.raises(UserError, match="no such folder; make it"):
        check_storage(sqlite_url(tmp_path / "nowhere" / "new.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "dangling", "link"])
def test_an_index_that_is_no_file_is_made_anew(kind, tmp_path):
    study, ledger = asked_study(tmp_path)
    path, elsewhere = ledger.root / "study.db", tmp_path / "elsewhere.db"
    path.unlink()
    if kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(elsewhere)
    if kind == "link":
        elsewhere.write_bytes(b"no database")
    found = compared(study, ledger.root, book_of(ledger).outlines, None)
    assert found.fault
    assert (kind == "link") == elsewhere.exists()
    rows = open_rows(study, ledger.root, book_of(ledger).outlines, None)
    assert len(rows.get_trials()) == len(ledger.numbers())
    assert path.is_file()
    assert path.is_symlink() == (kind == "dangling")  # its owner wants it there
    assert [each.name for each in ledger.root.glob("study.db.torn-*")] == ["study.db.torn-0"] * (kind != "dangling")


@pytest.mark.parametrize("name", ["plain", "a b#c", "what?", "100%", "%41", "größe", "a?b=c&d"])
def test_a_database_lies_where_its_path_says(name, tmp_path):
    path = tmp_path / name / "study.db"
    path.parent.mkdir()
    engine = sqlalchemy.create_engine(sqlite_url(path))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE here (x)"))
    engine.dispose()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    assert sqlite_path(sqlite_url(path)) == path


@pytest.mark.parametrize("refused", [check_storage, lambda url: locate(url, Path("out"))], ids=["storage", "tracking"])
@pytest.mark.parametrize("name", ["odd?.db", "a?b#c%20d=x/s.db", "x?timeout=3&colour=red"])
def test_a_question_mark_that_would_cut_a_files_name_is_refused_with_the_url_that_was_meant(refused, name, tmp_path):
    """Or a database is made beside the one that was meant."""
    meant = tmp_path / name
    meant.parent.mkdir(exist_ok=True)
    with pytest.raises(UserError, match="a question mark ends a file's name, and ") as error:
        refused(f"sqlite:///{meant}")
    url = str(error.value).rpartition(" ")[2]
    sqlalchemy.create_engine(url).connect().close()
    assert meant.exists()
    refused(url)


def test_settings_in_a_url_of_sqlite_are_none_of_a_files_name(tmp_path):
    url = f"sqlite:///{tmp_path / 'mine.db'}?timeout=3"
    check_storage(url)
    assert locate(url, tmp_path) == url
