"""The data contract of ``STUDY/report/data/``: which tables the harness writes there, and how they are read.

A parquet file or ``images.npz`` that is absent stands for a table without rows; ``study.json`` must be there. A table
has the columns below in any order; ``trials.parquet`` has besides them one column for every setting, named by its path
(``defense/name``, ``model/sigma``, ``defense/cem_paper/lam``; null where the trial's branch has no such setting).
Columns marked optional may be left out. A number that was not measured is NaN or null.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TRIALS = {
    "trial": "int, the trial's number",
    "state": "str: complete, failed, partial, pruned or running",
    "accuracy": "float in [0, 1]",
    "mse": "float, of the attack that is worst by mse on attacker-validation",
    "ssim": "float in [-1, 1], of the attack that is worst by ssim on attacker-validation",
    "mse_attack": "str or null: the job, or the guess without z, that decided mse",
    "ssim_attack": "str or null: likewise for ssim",
    "part": "str: the part that accuracy and scores were measured on",
    "feasible": "bool or null: whether accuracy reaches the study's floor",
    "on_front": "bool, as `reports.front.on_front` says",
    "anchor": "bool: asked for by the study file rather than drawn",
    "limited": "bool: an attack that decided an objective was still improving when its budget ended",
    "seconds": "float: what the trial took, attacks included",
    "error": "str or null",
}
"""``trials.parquet``, one row per trial. Optional: ``train_seconds``, float."""

ATTACKS = {
    "trial": "int",
    "job": "str, as `harness.record.AttackJob.name` says: decoder-quick-0, decoder-quick-0-infer",
    "attack": "str",
    "budget": "str",
    "seed": "int, index of the attacker's seed",
    "part": "str: what is scored",
    "verdict": "str: converged, limited, floor, diverged or failed",
    "mse": "float, mean over images",
    "psnr": "float, dB, mean over images",
    "ssim": "float, mean over images",
    "images": "int, number of images scored",
    "seconds": "float",
    "error": "str or null",
}
"""``attacks.parquet``, one row per attack job and scored part. Optional: ``mse_se, ssim_se``, floats: standard error of
the mean over images; they say nothing of the spread over seeds."""

FLOORS = {
    "trial": "int",
    "guess": "str: mean_image, class_mean, mean_colour or nearest",
    "part": "str",
    "mse": "float",
    "psnr": "float, dB",
    "ssim": "float",
}
"""``floors.parquet``: what can be had without z (mean_image, class_mean), and two yardsticks."""

CURVES = {
    "trial": "int",
    "job": "str: train, or an attack's job",
    "step": "int, optimiser steps taken",
    "name": "str: train, validation, accuracy, loss or penalty",
    "value": "float",
}
"""``curves.parquet``, long."""

IMAGE_SCORES = {
    "trial": "int",
    "job": "str",
    "image": "int, index into the arrays of images.npz",
    "mse": "float",
    "psnr": "float, dB",
    "ssim": "float",
}
"""``image_scores.parquet``: the scores of the fixed images of ``images.npz``, one row each.

``images.npz`` holds uint8 arrays ``(24, 3, height, width)``: ``original/<part>``, and ``<trial, 5 digits>/<job>``."""


class States(TypedDict):
    """How many trials are in each state; they add up to the budget when the study has ended."""

    complete: int
    failed: int
    partial: int
    pruned: int
    running: int
    waiting: int


class Published(TypedDict):
    """A row of a published table, under its own convention."""

    table: str
    method: str
    accuracy: float | None
    mse: float | None
    ssim: float | None
    note: str


class Part(TypedDict):
    """A part of the data."""

    images: int
    digest: str


class Study(TypedDict):
    """``study.json``. Times are UTC, ISO 8601."""

    name: str
    digest: str
    ledger: str
    budget: int
    states: States
    protocol: str
    """``strict``, or ``cem`` for the published splits."""
    data: str
    """Name of the data set."""
    parts: dict[str, Part]
    floor: float | None
    """Least accuracy of a feasible trial, in [0, 1]."""
    created: str
    updated: str
    command: str
    """The command that reproduces the study."""
    objectives: list[str]
    hypervolume_reference: dict[str, float]
    """By objective; recorded once, so that volumes can be compared."""
    metrics: dict[str, Any]
    """The metric protocol: definitions by name."""
    packages: dict[str, str]
    commit: str | None
    hardware: dict[str, Any]
    """``cpu, gpu, threads, precision``."""
    seconds_total: float
    """Wall-clock time that drivers have spent on the study."""
    study_yaml: str
    """Text of the resolved study file."""
    published: list[Published]


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """Everything a report is made of."""

    study: Study
    trials: pd.DataFrame
    attacks: pd.DataFrame
    floors: pd.DataFrame
    curves: pd.DataFrame
    image_scores: pd.DataFrame
    images: dict[str, NDArray[np.uint8]]


def read(data: Path) -> StudyData:
    """Return what lies in ``STUDY/report/data/``.

    Raises:
        ValueError: A file lacks a column or a key; the message names both.
    """
    return StudyData(
        study=_read_study(data / "study.json"),
        trials=_read_table(data / "trials.parquet", TRIALS).sort_values("trial", ignore_index=True),
        attacks=_read_table(data / "attacks.parquet", ATTACKS),
        floors=_read_table(data / "floors.parquet", FLOORS),
        curves=_read_table(data / "curves.parquet", CURVES),
        image_scores=_read_table(data / "image_scores.parquet", IMAGE_SCORES),
        images=_read_images(data / "images.npz"),
    )


def settings(trials: pd.DataFrame) -> list[str]:
    """Return the columns that are settings: their names are paths."""
    return [column for column in trials.columns if "/" in column]


def image_key(trial: int, job: str) -> str:
    """Return the key of a job's reconstructions in ``images.npz``."""
    return f"{trial:05d}/{job}"


def _read_study(path: Path) -> Study:
    study: Study = json.loads(path.read_text(encoding="utf-8"))
    missing = sorted(Study.__required_keys__ - study.keys())
    if missing:
        raise ValueError(f"{path}: lacks {missing}; write it again with `invfront report`")
    return study


def _read_table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    table: pd.DataFrame = pd.read_parquet(path)
    missing = sorted(columns.keys() - set(table.columns))
    if missing:
        raise ValueError(f"{path}: lacks the columns {missing}; write it again with `invfront report`")
    numbers = [column for column, meaning in columns.items() if meaning.startswith("float")]
    # a column without a single number comes back as objects
    return table.assign(**{column: pd.to_numeric(table[column]).astype(float) for column in numbers})


def _read_images(path: Path) -> dict[str, NDArray[np.uint8]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}
