"""What a trial measured: typed, versioned values that need nothing else to be read."""

from typing import Literal

from pydantic import FiniteFloat

from harness.records.asked import Asked
from harness.records.circumstances import Circumstances, Failure
from harness.records.scores import CurvePoint, Guess, Objectives
from harness.records.value import Value
from harness.records.words import State, Verdict


class Measured(Value):
    """The numbers of a trial: equal, bit for bit, when the trial is repeated on the same machine."""

    accuracy: FiniteFloat | None
    part: str
    """Part that accuracy and scores were measured on."""
    digests: dict[str, str]
    """SHA-256 of the images by part."""
    images: dict[str, int] = {}
    """Number of images by part."""
    floors: dict[str, Guess]
    """``mean_image``, ``class_mean``, ``mean_colour``, ``nearest``."""
    objectives: Objectives | None
    feasible: bool | None
    """Whether the accuracy reaches the study's floor; null without an accuracy."""
    curve: tuple[CurvePoint, ...]
    diagnostics: dict[str, FiniteFloat | None]
    """Diagnostics of the trained network; null with the reason in ``null_reasons``."""
    diagnostics_version: int = 1
    """Of their definitions (`defenses.information`)."""
    null_reasons: dict[str, str]


class Record(Value):
    """``record.json``: the trial is finished exactly when this is on storage."""

    version: Literal[1] = 1
    number: int
    state: State
    asked: Asked
    measured: Measured
    verdicts: dict[str, Verdict]
    """By attack job."""
    notes: tuple[str, ...]
    """What had to be redone or left out, and why."""
    versions: dict[str, int] = {}
    """Of what it was trained by, ``recipe``, ``defense`` and ``term``; 1 where there is none."""
    error: Failure | None
    circumstances: Circumstances


class Trained(Value):
    """``train.json`` of an attempt: the training stage is done exactly when this is there and its files are whole."""

    version: Literal[1] = 1
    attempt: int
    files: dict[str, str]
    """SHA-256 of the attempt's weights by file name."""
    accuracy: FiniteFloat
    floors: dict[str, Guess]
    digests: dict[str, str]
    images: dict[str, int] = {}
    """Number of images by part."""
    curve: tuple[CurvePoint, ...]
    diagnostics: dict[str, FiniteFloat | None]
    diagnostics_version: int = 1
    null_reasons: dict[str, str]
    notes: tuple[str, ...]
    versions: dict[str, int] = {}
    """As of ``Record``."""
    circumstances: Circumstances
