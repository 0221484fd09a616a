"""The fixed reconstructions of the trials that a report shows, and the scores of their images."""

import io
from collections.abc import Iterable, Iterator, Mapping

import numpy
import pandas
from numpy.typing import NDArray

from harness.judging import JudgedTrial
from harness.judging.images import SCORES, PerImage
from harness.ledger.arrays import Kept, kept_images
from harness.records import AttackRecord
from harness.tables.frames import Row, table
from reports.tables import image_key

SCORE = {"trial": int, "job": str, "image": int, "mse": float, "psnr": float, "ssim": float}

NONE = numpy.empty((0, 3))
"""Scores of an attack whose scores are not there."""

COLUMNS, GAP = 12, 2
"""Pairs in a row of a contact sheet, and the white pixels around each."""


def contact_sheet(kept: Kept) -> NDArray[numpy.uint8]:
    """Return pairs of images, each original above its reconstruction, 12 pairs a row; ``(height, width, 3)``, 0-255."""
    pairs = numpy.concatenate([kept.originals, kept.reconstructions], axis=2)
    framed = numpy.pad(pairs, ((0, -len(pairs) % COLUMNS), (0, 0), (GAP, GAP), (GAP, GAP)), constant_values=255)
    count, channels, height, width = framed.shape
    grid = framed.reshape(count // COLUMNS, COLUMNS, channels, height, width)
    return numpy.ascontiguousarray(grid.transpose(0, 3, 1, 4, 2).reshape(-1, COLUMNS * width, channels))


def images_npz(trials: Iterable[JudgedTrial]) -> bytes:
    """Return ``images.npz``: ``original/<part>`` once, and every attack's reconstructions."""
    arrays: dict[str, NDArray[numpy.uint8]] = {}
    for trial, attack, kept in _all_kept(trials):
        original = f"original/{attack.job.part}"
        if len(arrays.get(original, ())) < len(kept.originals):  # an attack may score fewer images than are kept
            arrays[original] = kept.originals
        arrays[image_key(trial.number, attack.job.name)] = kept.reconstructions
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def image_scores(trials: Iterable[JudgedTrial], found: Mapping[int, PerImage]) -> pandas.DataFrame:
    """Return the scores of the images in ``images.npz``, one row each."""
    rows: Iterator[Row] = (
        {"trial": trial.number, "job": attack.job.name, "image": image, **dict(zip(SCORES, row.tolist(), strict=True))}
        for trial, attack, kept in _all_kept(trials)
        for image, row in enumerate(found[trial.number].first.get(attack.job.name, NONE)[: len(kept.originals)])
    )
    return table(rows, SCORE)


def _all_kept(trials: Iterable[JudgedTrial]) -> Iterator[tuple[JudgedTrial, AttackRecord, Kept]]:
    for trial in trials:
        for attack in trial.attacks if trial.record else ():
            kept = kept_images(trial.path, attack) if attack.job.counts else None
            if kept is not None:
                yield trial, attack, kept
