"""The fixed reconstructions of each attack, and the scores of every image, as attempts keep them beside the record."""

import contextlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import pandas
from numpy.typing import NDArray

from harness.export.frames import table
from harness.judging.worst import BLIND
from harness.ledger.files import TrialFiles, read_value
from harness.records.record import AttackRecord, Scalar, Trained
from harness.stages.reconstructions import GUESSES
from reports.tables import image_key

SCORE = {"trial": int, "job": str, "image": int, "mse": float, "psnr": float, "ssim": float}

COLUMNS, GAP = 12, 2
"""Pairs in a row of a contact sheet, and the white pixels around each."""


class Kept(NamedTuple):
    """The fixed images of an attack."""

    originals: NDArray[numpy.uint8]
    """``(n, 3, height, width)``."""
    reconstructions: NDArray[numpy.uint8]
    """``(n, 3, height, width)``."""


def kept_images(files: TrialFiles, attack: AttackRecord) -> Kept | None:
    """Return an attack's fixed images; null if it failed or its arrays were moved away."""
    with _tolerated(), numpy.load(_arrays(files, attack, ".npz"), allow_pickle=False) as arrays:
        return Kept(arrays["x"], arrays["x_hat"])
    return None


def contact_sheet(kept: Kept) -> NDArray[numpy.uint8]:
    """Return pairs of images, each original above its reconstruction, 12 pairs a row; ``(height, width, 3)``, 0-255."""
    pairs = numpy.concatenate([kept.originals, kept.reconstructions], axis=2)
    framed = numpy.pad(pairs, ((0, -len(pairs) % COLUMNS), (0, 0), (GAP, GAP), (GAP, GAP)), constant_values=255)
    count, channels, height, width = framed.shape
    grid = framed.reshape(count // COLUMNS, COLUMNS, channels, height, width)
    return numpy.ascontiguousarray(grid.transpose(0, 3, 1, 4, 2).reshape(-1, COLUMNS * width, channels))


def scores_of(files: TrialFiles, attack: AttackRecord) -> pandas.DataFrame | None:
    """Return the scores of every scored image, columns ``mse, psnr, ssim``; null as in ``kept_images``."""
    with _tolerated():
        return pandas.read_parquet(_arrays(files, attack, ".parquet"))
    return None


def scores_of_guesses(files: TrialFiles, client: str) -> dict[str, pandas.DataFrame]:
    """Return the scores of every scored image under each guess without z, columns as of ``scores_of``; empty if the
    training of the client with this SHA-256 has not kept them.
    """
    for path in files.path.glob(f"attempt-*/{GUESSES}"):
        with _tolerated():
            trained = read_value(path.with_name("train.json"), Trained)
            if trained.files["client.safetensors"] == client:
                kept = pandas.read_parquet(path).astype(float)
                return {name: kept.filter(like=f"{name}/").rename(columns=_score_name) for name in BLIND}
    return {}


def standard_errors(files: TrialFiles, attack: AttackRecord) -> dict[str, float]:
    """Return the standard errors of the means over images, ``mse_se`` and ``ssim_se``; none without the scores."""
    scores = scores_of(files, attack) if attack.measured.scores else None
    if scores is None or len(scores) < 2:
        return {}
    return {f"{name}_se": float(scores[name].std() / len(scores) ** 0.5) for name in ("mse", "ssim")}


def images_npz(trials: Iterable[TrialFiles]) -> bytes:
    """Return ``images.npz``: ``original/<part>`` once, and every attack's reconstructions."""
    arrays: dict[str, NDArray[numpy.uint8]] = {}
    for files, attack, kept in _all_kept(trials):
        original = f"original/{attack.job.part}"
        if len(arrays.get(original, ())) < len(kept.originals):  # an attack may score fewer images than are kept
            arrays[original] = kept.originals
        arrays[image_key(files.number, attack.job.name)] = kept.reconstructions
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def image_scores(trials: Iterable[TrialFiles]) -> pandas.DataFrame:
    """Return the scores of the images in ``images.npz``, one row each."""
    return table((row for found in _all_kept(trials) for row in _rows(*found)), SCORE)


def _rows(files: TrialFiles, attack: AttackRecord, kept: Kept) -> Iterator[dict[str, Scalar]]:
    scores = scores_of(files, attack)
    if scores is None:
        return
    for image, row in enumerate(scores.head(len(kept.originals)).to_dict("records")):
        measured = {str(name): float(value) for name, value in row.items()}
        yield {"trial": files.number, "job": attack.job.name, "image": image, **measured}


def _all_kept(trials: Iterable[TrialFiles]) -> Iterator[tuple[TrialFiles, AttackRecord, Kept]]:
    for files in trials:
        for attack in files.attacks if files.record else ():
            kept = kept_images(files, attack)
            if kept is not None:
                yield files, attack, kept


def _arrays(files: TrialFiles, attack: AttackRecord, ending: str) -> Path:
    return files.path / f"attempt-{attack.attempt}" / f"{attack.job.name}{ending}"


def _score_name(column: str) -> str:
    return column.rpartition("/")[2]


def _tolerated() -> contextlib.AbstractContextManager[None]:
    """Pass over arrays that are not there or not whole: the record is self-sufficient without them."""
    return contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
