"""The MLflow store that a study is shown in: where it is, whether it answers, and how it is kept quiet."""

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, TypedDict

import mlflow
import sqlalchemy
from filelock import FileLock
from mlflow import MlflowClient, environment_variables
from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from harness.credentials import hidden
from harness.errors import UserError
from harness.ledger.database import refuse_cut, sqlite_path, sqlite_url
from harness.tracking.moved import follow

_LOG = logging.getLogger(__name__)

EXPERIMENT = "invfront"
"""All studies' experiment, unless ``MLFLOW_EXPERIMENT_NAME`` or ``MLFLOW_EXPERIMENT_ID`` names another."""

STORE_FAULTS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError)
"""What a store raises that cannot be reached or refuses, or whose driver is not installed."""

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Bounds on waiting for a server, seconds and tries, where the user has set none: MLflow's own let minutes pass."""

MAKING_SECONDS = 60.0
"""Longest wait for another driver that is making the same database."""

CONNECT_SECONDS = 10
"""Longest wait for a database's server."""

DATABASES = ("sqlite", "postgresql", "mysql")
"""Schemes of databases that are asked first whether they can be opened."""

LARGEST_BATCH = 800
"""Metrics sent at once: a server takes 1,000 entries, parameters and tags included."""

SCHEMES = ("", "file", "http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks", "databricks-uc", "uc")
"""Schemes that MLflow knows without a plug-in; a database's may name its driver after a plus sign."""


class Call(TypedDict):
    """One call of ``log_batch``."""

    params: list[Param]
    metrics: list[Metric]
    tags: list[RunTag]


class Store(NamedTuple):
    """An MLflow store and our experiment in it."""

    client: MlflowClient
    experiment: str
    """The experiment's id."""


def locate(uri: str | None, out: Path) -> str:
    """Return the tracking URI: the one given, else ``MLFLOW_TRACKING_URI``, else a database beside the studies.

    Raises:
        UserError: MLflow knows no such kind of address, or takes no plain folder.
    """
    named = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if named is None or named == "":
        return sqlite_url((out / "mlflow.db").resolve())
    scheme = named.partition(":")[0].partition("+")[0] if re.match(r"[\w+.\-]+:", named) else ""
    known = {*SCHEMES, *(plugin.name for plugin in entry_points(group="mlflow.tracking_store"))}
    if scheme not in known:
        raise UserError(
            f"tracking at {hidden(named)}: MLflow knows no {scheme}:; give a --tracking-uri such as http://host:5000 "
            "or sqlite:///mlflow.db, or --no-tracking"
        )
    refuse_cut(f"tracking at {named}", named)
    if scheme in ("", "file") and named not in SCHEMES and not _takes_folders():
        database = sqlite_url((out / "mlflow.db").resolve())
        raise UserError(
            f"tracking at {named}: MLflow {mlflow.__version__} writes no plain folder; give --tracking-uri {database}, "
            "export MLFLOW_ALLOW_FILE_STORE=true, or give --no-tracking"
        )
    return named


def _takes_folders() -> bool:
    """Say whether MLflow writes into a plain folder: since its third version only if it is told to."""
    allowed = getattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE", None)
    return allowed is None or bool(allowed.get())


def connect(uri: str, out: Path) -> Store:
    """Return the store, its experiment made if it is not there, and restored if it was deleted.

    Drivers that start at once on a database that is not there wait for the one that makes it.

    Args:
        uri: MLflow's tracking URI.
        out: Folder of the studies; unless a server keeps artifacts, they lie in ``mlartifacts`` beside them.

    Raises:
        STORE_FAULTS: the store does not answer, or refuses.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    artifacts = None if uri.startswith(("http:", "https:")) else (out / "mlartifacts").resolve()
    with _alone(uri):
        _refuse_closed(uri)
        client = MlflowClient(tracking_uri=uri)
        if uri == sqlite_url((out / "mlflow.db").resolve()):
            follow((out / "mlflow.db").resolve(), artifacts)
        found = _experiment(client)
        if found is None:
            return Store(client, _create(client, experiment_name(), artifacts.as_uri() if artifacts else None))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            _LOG.warning("tracking: experiment %s had been deleted in MLflow and is restored", found.name)
        return Store(client, str(found.experiment_id))


def experiment_name() -> str:
    """Return the name of the experiment that studies are shown in."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def _experiment(client: MlflowClient) -> Experiment | None:
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if number and not os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return client.get_experiment(number)
    return client.get_experiment_by_name(experiment_name())


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let the body have a database file for itself."""
    file = sqlite_path(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    spelt = Path(uri.removeprefix("sqlite:///")).parent  # MLflow makes this folder, escapes and all
    made = [folder for folder in (spelt, *spelt.parents) if not folder.exists()]
    with FileLock(file.with_name(f"{file.name}.lock"), timeout=MAKING_SECONDS):
        yield
    with contextlib.suppress(OSError):
        for folder in made:
            folder.rmdir()


def _refuse_closed(uri: str) -> None:
    """Raise what a database raises that cannot be opened: MLflow itself would ask it for minutes."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in DATABASES:
        patience = {"connect_timeout": CONNECT_SECONDS} if scheme != "sqlite" else {}
        engine = sqlalchemy.create_engine(uri, poolclass=NullPool, connect_args=patience)
        with engine.connect():
            pass


def find_runs(store: Store, tags: Mapping[str, str]) -> Iterator[Run]:
    """Yield the runs that carry tags with these values, oldest first."""
    yield from _search(store.client, [store.experiment], tags)


def at_home(store: Store, tag: str, value: str) -> Store:
    """Return the store with the experiment that holds runs with a tag already, if another one does."""
    if next(_search(store.client, [store.experiment], {tag: value}, most=1), None) is not None:
        return store
    others = [each.experiment_id for each in store.client.search_experiments(max_results=1000)]
    others = [each for each in others if each != store.experiment]
    found = next(_search(store.client, others, {tag: value}, most=1), None) if others else None
    return store if found is None else store._replace(experiment=str(found.info.experiment_id))


def _search(client: MlflowClient, experiments: list[str], tags: Mapping[str, str], most: int = 1000) -> Iterator[Run]:
    token, wanted = None, " AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    while True:
        page = client.search_runs(
            experiments,
            wanted,
            max_results=most,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def batches(params: list[Param], metrics: list[Metric], tags: list[RunTag]) -> Iterator[Call]:
    """Yield everything in calls that a server takes, 100 parameters and 100 tags at most; the last tag comes last."""
    for start in range(100, len(params), 100):
        yield Call(params=params[start : start + 100], metrics=[], tags=[])
    whole = len(metrics) // LARGEST_BATCH * LARGEST_BATCH
    for start in range(0, whole, LARGEST_BATCH):
        yield Call(params=[], metrics=metrics[start : start + LARGEST_BATCH], tags=[])
    early = max(len(tags) - 1, 0) // 100 * 100
    for start in range(0, early, 100):
        yield Call(params=[], metrics=[], tags=tags[start : start + 100])
    yield Call(params=params[:100], metrics=metrics[whole:], tags=tags[early:])


def _create(client: MlflowClient, name: str, artifacts: str | None) -> str:
    try:
        return str(client.create_experiment(name, artifacts))
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)  # another driver was faster


def fault_line(error: BaseException) -> str:
    """Return a store's complaint: its first line, without passwords."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return hidden(lines[0])[:300]
