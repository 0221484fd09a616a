"""Files beside a run: an attack's reconstructions, and the study's page. An artifact store may fail by itself."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy
import pandas
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri
from numpy.typing import NDArray
from PIL import Image

from harness.credentials import hidden
from harness.tracking.runs import Followed
from harness.tracking.store import Store, fault_line

_LOG = logging.getLogger(__name__)

SHEET = "reconstructions.png"
FRONT = "front.json"
"""The front as MLflow shows tables, in the form that ``mlflow.log_table`` writes and ``mlflow.load_table`` reads."""


class Artifacts:
    """Writes files beside runs; of a store that fails, one warning is logged, and the numbers go on without it.

    Args:
        store: Where the runs are.
        lost: Hears once of what failed, a clause.
    """

    def __init__(self, store: Store, lost: Callable[[str], None]) -> None:
        self._uri, self._lost = store.client.tracking_uri, lost
        self._gone = False

    def sheet(self, known: Followed, sheet: NDArray[numpy.uint8]) -> bool:
        """Put an attack's reconstructions, ``(height, width, 3)``, beside its run; say whether they are there."""

        def write() -> None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / SHEET
                Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(path)
                self._put(known, path, None)

        return self._unless_lost(known, write)

    def report(self, known: Followed, root: Path) -> None:
        """Put a study's file, page, tables and figures beside its run."""

        def write() -> None:
            for path in filter(Path.exists, (root / "study.yaml", root / "borrowed.json")):
                self._put(known, path, None)
            for path in sorted((root / "report").glob("*.*")):
                self._put(known, path, "report")
            for name in ("figures", "tables"):
                for path in sorted((root / "report" / name).glob("*.*")):
                    self._put(known, path, f"report/{name}")

        self._unless_lost(known, write)

    def front(self, known: Followed, root: Path) -> bool:
        """Put a study's front beside its run as a table, in place of an earlier one; say whether it is there.

        ``mlflow.log_table`` itself would add its rows to those that an earlier driver left.
        """
        table = root / "report" / "front.parquet"

        def write() -> None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / FRONT
                pandas.read_parquet(table).to_json(path, orient="split", index=False, date_format="iso")
                self._put(known, path, None)

        return table.exists() and self._unless_lost(known, write)

    def _put(self, known: Followed, path: Path, folder: str | None) -> None:
        uri: str = add_databricks_profile_info_to_artifact_uri(known.artifacts, self._uri)  # type: ignore[no-untyped-call]
        _refuse_missing(uri)
        repository: Any = get_artifact_repository(uri, tracking_uri=self._uri)
        repository.log_artifact(str(path), folder)

    def _unless_lost(self, known: Followed, write: Callable[[], None]) -> bool:
        if self._gone:
            return False
        try:
            write()
        except Exception as error:  # each artifact store brings its own errors, those of its packages among them
            self._gone = True
            where = hidden(known.artifacts)
            self._lost(f"pictures and pages cannot be stored at {where} ({fault_line(error)}); the numbers are logged")
            return False
        return True


def _refuse_missing(uri: str) -> None:
    """Raise FileNotFoundError of a local artifact store that was moved away: MLflow would make it anew there."""
    place = urlsplit(uri)
    if place.scheme != "file":
        return
    home = Path(unquote(place.path)).parents[1]  # of <home>/<run>/artifacts
    if not home.exists() and not home.parent.exists():
        raise FileNotFoundError(f"{home.parent} is gone; put it back, or give another MLFLOW_EXPERIMENT_NAME")
