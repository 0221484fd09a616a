"""The ground of all tests: set before torch is imported, so that neighbours on the machine do not stall them."""

import functools
import itertools
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.load_profile("patient")

CACHE = pytest.StashKey[str]()

LONG_SECONDS = 60.0
"""Of tests that take less together it is not told what each part took."""


def pytest_configure(config: pytest.Config) -> None:
    """Give all tests an image cache of their own, which goes with them; whoever tests it makes another one."""
    config.stash[CACHE] = ""
    if not hasattr(config, "workerinput"):
        config.stash[CACHE] = os.environ["INVFRONT_CACHE"] = tempfile.mkdtemp(prefix="invfront-images-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if config.stash[CACHE]:
        shutil.rmtree(config.stash[CACHE], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what each part of a long run took."""
    taken: dict[str, Counter[str]] = {}
    for report in itertools.chain(*terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            file = PurePosixPath(report.nodeid.partition("::")[0])
            taken.setdefault(str(file.parent), Counter())[file.name] += report.duration
    if sum(each.total() for each in taken.values()) < LONG_SECONDS:
        return
    terminalreporter.section("seconds of each part, its most costly files")
    for part, files in sorted(taken.items(), key=lambda each: -each[1].total()):
        costly = ", ".join(f"{file} {seconds:.0f}" for file, seconds in files.most_common(3))
        terminalreporter.write_line(f"{files.total():5.0f} {part}: {costly}")


@pytest.fixture(autouse=True)
def one_thread():
    """One thread for each test: a second one gains little and, beside other work, loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def tables_are_made_once():
    """MLflow takes seconds to make the tables of a new SQLite file: made once, they are copied from then on."""
    database = sys.modules.get("mlflow.store.db.utils")
    if database is not None and not isinstance(database._initialize_tables, functools.partial):
        database._initialize_tables = functools.partial(_copied, database._initialize_tables, [])


@pytest.fixture(autouse=True)
def migrations_are_read_once():
    """Optuna reads all its migrations whenever it opens a database: read once, they are known from then on."""
    storage = sys.modules.get("optuna.storages._rdb.storage")
    if storage is not None and not hasattr(storage._VersionManager._create_alembic_script, "known"):
        storage._VersionManager._create_alembic_script = _known(storage._VersionManager._create_alembic_script)


def _known(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    known: list[Any] = []

    def script(self: Any) -> Any:
        if not known:
            known.append(read(self))
        return known[0]

    script.known = known
    return script


def _copied(make: Any, made: list[sqlite3.Connection], engine: Any) -> None:
    if engine.dialect.name != "sqlite" or not sys.modules["mlflow.store.db.utils"]._is_empty_database(engine):
        make(engine)
        return
    connection = engine.raw_connection()
    try:
        if made:
            made[0].backup(connection.driver_connection)
            return
        make(engine)
        made.append(sqlite3.connect(":memory:", check_same_thread=False))
        connection.driver_connection.backup(made[0])
    finally:
        connection.close()


@pytest.fixture
def heard() -> Iterator[None]:
    """Let a command hear SIGINT and SIGHUP, which a shell's background and ``nohup`` mute for all that they start."""
    muted = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {sign: signal.signal(sign, handler) for sign, handler in muted.items()}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)
