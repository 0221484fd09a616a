"""The MLflow store that a study is shown in: where it is, whether it answers, and how it is kept quiet."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.credentials import hidden
from harness.errors import UserError

EXPERIMENT = "invfront"
"""All studies' experiment."""

STORE_FAULTS = (MlflowException, SQLAlchemyError, OSError)
"""What a store raises that cannot be reached or refuses."""

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Bounds on waiting for a server, seconds and tries, where the user has set none: MLflow's own let minutes pass."""


LARGEST_BATCH = 800
"""Metrics sent at once: a server takes 1,000 entries, parameters and tags included."""


class Batch(TypedDict):
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
    """Return the tracking URI: the one given, else ``MLFLOW_TRACKING_URI``, else a database beside the studies."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def connect(uri: str, out: Path) -> Store:
    """Return the store, its experiment made if it is not there.

    Args:
        uri: MLflow's tracking URI.
        out: Folder of the studies; unless a server keeps artifacts, they lie in ``mlartifacts`` beside them.

    Raises:
        UserError: the store does not answer.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    artifacts = None if uri.startswith(("http:", "https:")) else (out / "mlartifacts").resolve().as_uri()
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = str(found.experiment_id) if found else _create(client, artifacts)
    except STORE_FAULTS as error:
        raise UserError(
            f"tracking at {hidden(uri)}: {fault_line(error)}; start the server or choose another --tracking-uri"
        ) from error
    return Store(client, experiment)


def find_runs(store: Store, tag: str, value: str) -> Iterator[Run]:
    """Yield the runs that carry a tag with a value, oldest first."""
    token = None
    while True:
        page = store.client.search_runs(
            [store.experiment],
            f"tags.`{tag}` = '{value}'",
            max_results=1000,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def batches(params: list[Param], metrics: list[Metric], tags: list[RunTag]) -> Iterator[Batch]:
    """Yield everything in calls that a server takes: at most 100 parameters each, the tags in the last."""
    for start in range(100, len(params), 100):
        yield Batch(params=params[start : start + 100], metrics=[], tags=[])
    whole = len(metrics) // LARGEST_BATCH * LARGEST_BATCH
    for start in range(0, whole, LARGEST_BATCH):
        yield Batch(params=[], metrics=metrics[start : start + LARGEST_BATCH], tags=[])
    yield Batch(params=params[:100], metrics=metrics[whole:], tags=tags)


def _create(client: MlflowClient, artifacts: str | None) -> str:
    try:
        return str(client.create_experiment(EXPERIMENT, artifacts))
    except MlflowException:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return str(found.experiment_id)  # another driver was faster


def fault_line(error: Exception) -> str:
    """Return a store's complaint: its first line, without passwords."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return hidden(lines[0])[:300]
