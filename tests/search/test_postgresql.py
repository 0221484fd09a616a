"""A study on a PostgreSQL server: rows, the lease across machines, and no password left behind."""

from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from harness.errors import Interrupted, UserError
from harness.judging.book import outline_of
from harness.ledger.files import Ledger
from harness.ledger.lease import lease
from harness.ledger.patience import Patience
from harness.search.asking import Conditions, Search
from harness.search.index import open_rows
from harness.search.reconciling import reconcile
from harness.search.storage import check_storage
from harness.study.check import load_checked
from harness.study.jobs import attack_jobs
from tests.search.test_asking import SPACE
from tests.servers import PostgreSQL, no_postgresql
from tests.values import book_of, record, trial_of


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server of our own on loopback, with a password."""
    pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'invfront[postgres]'")
    if why := no_postgresql():
        pytest.skip(why)
    server = PostgreSQL(tmp_path_factory.mktemp("pg"))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def session(root: Path, url: str, ledger_id: str | None = None) -> tuple[Search, Ledger]:
    file = root / "space.yaml"
    file.write_text(f"{SPACE}\nsearch: {{trials: 6, seed: 1}}\n")
    study, ledger = load_checked(file).model_copy(update={"ledger": ledger_id}), Ledger(root)
    book = book_of(ledger)
    rows = open_rows(study, root, book.outlines, url)
    search = Search(study, rows, ledger, Conditions("l", attack_jobs(study), {"train": 1, "attack": 1}, "float32"))
    reconcile(search, rows, book)
    return search, ledger


def test_a_study_on_a_server_is_resumed_from_it(tmp_path, url):
    search, ledger = session(tmp_path, url)
    cut_off = [search.ask(), search.ask()]
    search, ledger = session(tmp_path, url)
    numbers = []
    while (asked := search.ask()) is not None:
        numbers.append(asked.number)
        done = record(asked.number).model_copy(update={"asked": asked})
        ledger.publish_record(done)
        search.tell(outline_of(trial_of(ledger, asked.number)))
    assert numbers == list(range(6))
    assert [trial.asked for trial in list(ledger.trials())[:2]] == cut_off


def test_the_lease_on_a_server_reaches_other_directories_and_ends_with_its_holder(tmp_path, url):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with lease(tmp_path / "one", "same-ledger", url):
        with pytest.raises(UserError, match="another driver"), lease(tmp_path / "two", "same-ledger", url):
            pass
        with lease(tmp_path / "two", "other-ledger", url):
            pass
    with lease(tmp_path / "two", "same-ledger", url):
        pass


def drop_connections(url: str) -> None:
    """End every other connection to the server, as its administrator or a firewall does."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        connection.execute(sqlalchemy.text(f"SELECT pg_terminate_backend(pid) {others}"))


def test_connections_that_are_dropped_between_trials_cost_nothing(tmp_path, url):
    search, ledger = session(tmp_path, url, "dropped")
    found = []
    for number in range(6):
        asked = search.ask()
        assert asked is not None
        found.append(asked.number)
        drop_connections(url)
        ledger.publish_record(record(number).model_copy(update={"asked": asked}))
        search.tell(outline_of(trial_of(ledger, number)))
        drop_connections(url)
    assert found == list(range(6))
    assert search.ask() is None


def test_a_lease_whose_connection_was_dropped_is_taken_again_and_is_lost_if_another_has_it(tmp_path, url, caplog):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with lease(tmp_path / "one", "dropped", url, Patience(seconds=30, way="resume")) as held:
        drop_connections(url)
        held.check()
        assert "the connection that holds the study was dropped" in caplog.text
        with pytest.raises(UserError, match="another driver"), lease(tmp_path / "two", "dropped", url):
            pass
        drop_connections(url)
        with (
            lease(tmp_path / "two", "dropped", url),
            pytest.raises(Interrupted, match="another driver took this"),
        ):
            held.check()


@pytest.mark.parametrize(
    "damage", [("s3cret", "wr0ng"), ("127.0.0.1", "127.0.0.2"), ("postgresql+psycopg", "no+wr0ng")]
)
def test_a_server_that_refuses_is_one_line_without_the_password(url, damage):
    with pytest.raises(UserError, match="storage: ") as refusal:
        check_storage(url.replace(*damage))
    assert "s3cret" not in str(refusal.value)
    assert "wr0ng" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
