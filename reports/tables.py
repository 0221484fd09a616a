"""How ``STUDY/report/data/`` is read: ``study.json``, the tables of `reports.columns`, and the images.

A parquet file or ``images.npz`` that is absent stands for a table without rows; ``study.json`` must be there.
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.columns import (
    ATTACKS,
    CONFIRMED,
    CURVES,
    DECIDED,
    DETAILS,
    FLOORS,
    IMAGE_SCORES,
    IMPORTANCES,
    LEVELS,
    PROBES,
    TRIALS,
    VARIANTS,
)


class States(TypedDict):
    """How many trials are in each state; they add up to the budget when the study has ended."""

    complete: int
    failed: int
    partial: int
    pruned: int
    running: int
    waiting: int


class PublishedRow(TypedDict):
    """A row of a published table, under its own convention."""

    table: str
    method: str
    accuracy: float | None
    mse: float | None
    ssim: float | None
    note: str


class PartInfo(TypedDict):
    """A part of the data."""

    images: int
    digest: str


class ImagesInfo(TypedDict):
    """How the images vary."""

    spectrum: list[float]
    """Eigenvalues of the pixels' covariance, the greatest first; pixels in [0, 1]."""
    classes: int
    pixels: int
    """Numbers that an image has, all channels included."""


class AttackInfo(TypedDict):
    """What an attack says of itself."""

    kind: str
    """``reconstruction`` or ``probe``."""
    knowledge: str
    threat: str
    cost: str
    reference: str


class StudyInfo(TypedDict):
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
    parts: dict[str, PartInfo]
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
    """``nodes, devices, threads, precision, peak_memory_bytes``; folders of 0.1 name no nodes."""
    seconds_total: float
    """Wall-clock time that drivers have spent on the study."""
    study_yaml: str
    """Text of the resolved study file."""
    published: list[PublishedRow]
    attacks: NotRequired[dict[str, AttackInfo]]
    """By name; attacks of plug-ins are left out."""
    metric_meanings: NotRequired[dict[str, str]]
    """What a further metric means, by its name."""
    metric_notes: NotRequired[dict[str, str]]
    """Why a further metric is null, by its name."""
    images: NotRequired[ImagesInfo | None]
    """How the study's training images vary; null, or absent in older folders, if nobody looked."""
    image_marks: NotRequired[list[str]]
    """What a reader of the numbers must know of the images, a line each; folders of 0.1 have none."""
    widened: NotRequired[list[str]]
    """When the study was widened and by what, and which attacks do not count yet, a line each."""
    informed: NotRequired[list[str]]
    """Whose results inform the search beside the study's own, none of which are in its tables, a line each."""
    confirms: NotRequired[list[str]]
    """How often the test part was read, for which trials and by what, a line each."""
    confirm_precision: NotRequired[str | None]
    """In which the trainings that confirm were computed; null, or absent in older folders, if there are none."""
    unsettled: NotRequired[list[str]]
    """Attack jobs that some trials have and the front does not count, since some of its trials lack them."""
    mixed: NotRequired[list[str]]
    """Recipes, defenses, terms and attacks that the trials had in two versions, a line each."""
    warnings: NotRequired[list[str]]
    """What a reader of the numbers must know of where they come from, a line each; folders of 0.1 have none."""


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """Everything a report is made of."""

    study: StudyInfo
    trials: pd.DataFrame
    attacks: pd.DataFrame
    """By the study's own attacker."""
    beside: pd.DataFrame
    """The other rows of ``attacks.parquet``, with a ``level``: no objective is over them."""
    levels: pd.DataFrame
    probes: pd.DataFrame
    variants: pd.DataFrame
    floors: pd.DataFrame
    curves: pd.DataFrame
    image_scores: pd.DataFrame
    confirmed: pd.DataFrame
    importances: pd.DataFrame
    images: Mapping[str, NDArray[np.uint8]]
    """Read from the disk one by one, where they are shown."""

    @cached_property
    def guessed(self) -> pd.DataFrame:
        """The median over trials of each guess's scores, on the parts that the objectives were measured on: those of
        the jobs that objectives name.
        """
        deciding = {*self.trials["mse_attack"].unique(), *self.trials["ssim_attack"].unique()}
        parts = self.attacks.loc[self.attacks["job"].isin(deciding), "part"].unique()
        if not len(parts):
            parts = self.trials["part"].dropna().unique()
        rows = self.floors[self.floors["part"].isin(parts)]
        return rows.groupby("guess")[["mse", "psnr", "ssim"]].median()


def read(data: Path) -> StudyData:
    """Return what lies in ``STUDY/report/data/``.

    Raises:
        ValueError: A file lacks a column or a key; the message names both.
    """
    attacks = _read_table(data / "attacks.parquet", ATTACKS, DETAILS)
    own = attacks["level"].isna() if "level" in attacks else pd.Series(True, index=attacks.index)
    return StudyData(
        study=_read_study(data / "study.json"),
        trials=_read_table(data / "trials.parquet", TRIALS, DECIDED).sort_values("trial", ignore_index=True),
        attacks=attacks[own],
        beside=attacks[~own],
        levels=_read_table(data / "levels.parquet", LEVELS),
        probes=_read_table(data / "probes.parquet", PROBES),
        variants=_read_table(data / "variants.parquet", VARIANTS),
        floors=_read_table(data / "floors.parquet", FLOORS),
        curves=_read_table(data / "curves.parquet", CURVES, few=["job", "name"]),
        image_scores=_read_table(data / "image_scores.parquet", IMAGE_SCORES),
        confirmed=_read_table(data / "confirmed.parquet", CONFIRMED),
        importances=_read_table(data / "importances.parquet", IMPORTANCES),
        images=_read_images(data / "images.npz"),
    )


def settings(trials: pd.DataFrame) -> list[str]:
    """Return the columns that are settings: their names are paths."""
    return [column for column in trials.columns if "/" in column]


def further_metrics(attacks: pd.DataFrame) -> list[str]:
    """Return the columns of ``attacks.parquet`` that are further metrics of the reconstructions."""
    known = ATTACKS.keys() | DETAILS.keys()
    return [name for name in attacks.columns if name not in known and pd.api.types.is_numeric_dtype(attacks[name])]


def image_key(trial: int, job: str) -> str:
    """Return the key of a job's reconstructions in ``images.npz``."""
    return f"{trial:05d}/{job}"


def _read_study(path: Path) -> StudyInfo:
    study: StudyInfo = json.loads(path.read_text(encoding="utf-8"))
    missing = sorted(StudyInfo.__required_keys__ - study.keys())
    if missing:
        raise ValueError(f"{path}: lacks {missing}; write it again with `invfront report`")
    return study


def _read_table(
    path: Path, columns: dict[str, str], optional: dict[str, str] | None = None, few: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table; ``few`` names columns of few different texts in many rows, which become categories."""
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    table: pd.DataFrame = pd.read_parquet(path, read_dictionary=[*few])
    missing = sorted(columns.keys() - set(table.columns))
    if missing:
        raise ValueError(f"{path}: lacks the columns {missing}; write it again with `invfront report`")
    meanings = columns | (optional or {})
    numbers = [name for name, meaning in meanings.items() if meaning.startswith("float") and name in table]
    # a column without a single number comes back as objects
    return table.assign(**{column: pd.to_numeric(table[column]).astype(float) for column in numbers})


def _read_images(path: Path) -> Mapping[str, NDArray[np.uint8]]:
    if not path.exists():
        return {}
    arrays: Mapping[str, NDArray[np.uint8]] = np.load(path, allow_pickle=False)
    return arrays


def by_job(table: pd.DataFrame) -> dict[tuple[int, str], dict[Hashable, Any]]:
    """Return the first row of each job, by its trial and its name."""
    rows = table.drop_duplicates(["trial", "job"])
    names = ((int(trial), str(job)) for trial, job in zip(rows["trial"], rows["job"], strict=True))
    return dict(zip(names, rows.to_dict("records"), strict=True))


def rows_where(table: pd.DataFrame, kept: Iterable[bool]) -> pd.DataFrame:
    """Return the rows that are kept, one answer a row; of a table without rows, none with all its columns."""
    return table[np.fromiter(kept, dtype=bool, count=len(table))]
