"""Optuna's storage of a study, opened: bounded waits, whole pages, nobody else's database."""

import sqlite3
import warnings
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from harness.errors import UserError
from harness.ledger.database import connect_args, refuse_cut, sqlite_path
from harness.records import DIRECTIONS, one_line

OPTUNA = "studies"
"""A table that every database of Optuna has."""


def check_storage(url: str | None) -> None:
    """Refuse a storage URL that is none, whose driver is missing, whose server does not answer, or that is not ours.

    Nothing is written, and no file is made.

    Raises:
        UserError: says which, without the password.
    """
    if url is None:
        return
    try:
        refuse_cut("storage", url)
        file = sqlite_path(url)
        if file is not None and not file.exists():
            if not file.parent.is_dir():
                raise UserError(f"storage: {file.parent}: no such folder; make it, or name another file")
            return
        tables = tables_of(url)
    except sqlalchemy.exc.ArgumentError:
        raise UserError("storage: not a database URL; write postgresql+psycopg://user:password@host/database") from None
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise UserError(f"storage: {one_line(error)}; install the driver that the URL names") from None
    except SQLAlchemyError as error:
        fault = type(getattr(error, "orig", None) or error).__name__
        place = sqlalchemy.make_url(url).host or "the database"
        raise UserError(f"storage: {place} refuses ({fault}); check the URL, the password and the server") from None
    if file is not None and tables and OPTUNA not in tables:
        raise UserError(f"storage: {file} is a database of something else; name a file that is not there, or Optuna's")


def tables_of(url: str) -> set[str]:
    """Return the names of a database's tables; nothing is made."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    return set(sqlalchemy.inspect(engine).get_table_names())


def load(name: str, url: str) -> optuna.Study:
    """Return Optuna's study of a name, made if it is not there.

    Raises:
        UserError: the tables are those of another release of Optuna, or of something else.
        ValueError: a file's pages are torn.
    """
    try:
        storage = RDBStorage(url, engine_kwargs=engine_options(url))
    except RuntimeError as error:
        raise UserError(f"storage: {one_line(error)}; or give an empty database as --storage") from error
    if url.startswith("sqlite"):
        sqlalchemy.event.listen(storage.engine, "connect", _hurry)
        storage.engine.dispose()  # its connections of before are made anew
        refuse_torn(storage.engine)
    study = optuna.create_study(
        study_name=name, storage=storage, directions=list(DIRECTIONS.values()), load_if_exists=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if study.metric_names != list(DIRECTIONS):
            study.set_metric_names(list(DIRECTIONS))
    return study


def engine_options(url: str) -> dict[str, Any]:
    """Return how an engine connects: a connection that a server dropped between two trials is made anew."""
    return {"connect_args": connect_args(url)} | ({} if url.startswith("sqlite") else {"pool_pre_ping": True})


def refuse_torn(engine: sqlalchemy.Engine) -> None:
    """Raise ValueError of a database whose pages or indexes are not whole."""
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text("PRAGMA quick_check(1)")).scalar()
    if found != "ok":
        raise ValueError(f"torn: {found}")


def _hurry(connection: sqlite3.Connection, record: object) -> None:
    """Let a commit not wait for the disk: the directory is the truth, and an index that a power cut tore is rebuilt."""
    connection.execute("PRAGMA synchronous=OFF")
