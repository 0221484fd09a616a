"""The values: what was asked, what was measured, where it ran; objectives, seeds, errors."""

from harness.records.asked import Asked, AttackJob, Shared
from harness.records.attack import AttackMeasured, AttackRecord
from harness.records.borrowed import Borrowed, BorrowedResult
from harness.records.circumstances import Circumstances, Failure, failure_line
from harness.records.confirm import LeftOut, Raced, Round
from harness.records.ended import FAILURES, Ended
from harness.records.gains import Gains, Range
from harness.records.images import ImagesSeen
from harness.records.lineage import Change, Extension, Lineage
from harness.records.objectives import DIRECTIONS
from harness.records.place import Place, Software
from harness.records.progress import Progress, Tell
from harness.records.request import Answer, Request, Verb
from harness.records.scores import CurvePoint, Guess, Objectives, Scores, Tuned
from harness.records.seeds import derive
from harness.records.trial import Measured, Record, Trained
from harness.records.value import Scalar, Value
from harness.records.versions import (
    ASKED_THE_SERVER,
    CURRENT,
    VERSIONS,
    default_settings,
    former,
    keys_after,
    told,
    version_then,
)
from harness.records.wording import one_line
from harness.records.words import Half, Knowledge, Precision, State, Verdict

__all__ = [
    "ASKED_THE_SERVER",
    "CURRENT",
    "DIRECTIONS",
    "FAILURES",
    "VERSIONS",
    "Answer",
    "Asked",
    "AttackJob",
    "AttackMeasured",
    "AttackRecord",
    "Borrowed",
    "BorrowedResult",
    "Change",
    "Circumstances",
    "CurvePoint",
    "Ended",
    "Extension",
    "Failure",
    "Gains",
    "Guess",
    "Half",
    "ImagesSeen",
    "Knowledge",
    "LeftOut",
    "Lineage",
    "Measured",
    "Objectives",
    "Place",
    "Precision",
    "Progress",
    "Raced",
    "Range",
    "Record",
    "Request",
    "Round",
    "Scalar",
    "Scores",
    "Shared",
    "Software",
    "State",
    "Tell",
    "Trained",
    "Tuned",
    "Value",
    "Verb",
    "Verdict",
    "default_settings",
    "derive",
    "failure_line",
    "former",
    "keys_after",
    "one_line",
    "told",
    "version_then",
]
