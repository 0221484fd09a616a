"""What attempts keep beside the records: the scores of every image, and the fixed reconstructions of each attack."""

import contextlib
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile

from harness.ledger.fetching import fetch
from harness.ledger.files import read_value
from harness.records import AttackRecord, Trained

GUESSES = "guesses.parquet"
"""Of a training's attempt: the scores of every scored image under the guesses without z, ``mean_image/mse`` and so on.
"""

FIXED_IMAGES = 24
"""Images of the scored part whose reconstructions are kept: its first ones."""


class Kept(NamedTuple):
    """The fixed images of an attack."""

    originals: NDArray[numpy.uint8]
    """``(n, 3, height, width)``."""
    reconstructions: NDArray[numpy.uint8]
    """``(n, 3, height, width)``."""


def kept_images(trial: Path, attack: AttackRecord) -> Kept | None:
    """Return an attack's fixed images; null if it failed or its arrays were moved away."""
    with _tolerated(), numpy.load(_arrays(trial, attack, ".npz"), allow_pickle=False) as arrays:
        return Kept(arrays["x"], arrays["x_hat"])
    return None


def scores_of(trial: Path, attack: AttackRecord) -> pandas.DataFrame | None:
    """Return the scores of every scored image, columns ``mse, psnr, ssim``; null as in ``kept_images``."""
    with _tolerated():
        return _table(_arrays(trial, attack, ".parquet"))
    return None


def scores_of_guesses(trial: Path, client: str) -> dict[str, pandas.DataFrame]:
    """Return the scores of every scored image under each guess without z, columns as of ``scores_of``; empty if the
    training of the client with this SHA-256 has not kept them.
    """
    for path in trial.glob(f"attempt-*/{GUESSES}"):
        with _tolerated():
            trained = read_value(path.with_name("train.json"), Trained)
            if trained.files["client.safetensors"] == client:
                kept = _table(path).astype(float)
                names = dict.fromkeys(str(column).partition("/")[0] for column in kept)
                return {name: kept.filter(like=f"{name}/").rename(columns=_score_name) for name in names}
    return {}


def _arrays(trial: Path, attack: AttackRecord, ending: str) -> Path:
    path = trial / f"attempt-{attack.attempt}" / f"{attack.job.name}{ending}"
    if not path.exists():
        fetch(path)
    return path


def _table(path: Path) -> pandas.DataFrame:
    """Return a small file's table; pandas would look for a data set of many files, and start threads."""
    with ParquetFile(path) as file:
        table: pandas.DataFrame = file.read(use_threads=False).to_pandas(use_threads=False)
        return table


def _score_name(column: str) -> str:
    return column.rpartition("/")[2]


def _tolerated() -> contextlib.AbstractContextManager[None]:
    """Pass over arrays that are not there or not whole: the record is self-sufficient without them."""
    return contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
