"""Pure functions of records: worst case, verdicts, costs, oracle, who may be on a front."""

from harness.judging.book import Book, Front, Outline, Standing
from harness.judging.costs import costs, covered, spans, train_seconds
from harness.judging.images import SCORES, PerImage, per_image
from harness.judging.software import unlike_torch
from harness.judging.standing import Status, front_numbers, objectives_table, row_of, states, status
from harness.judging.trials import JudgedTrial, judged, judged_trials, mark_of
from harness.judging.verdicts import Judgement, verdicts
from harness.judging.worst import BLIND, OBJECTIVE_PARTS, worst_case

__all__ = [
    "BLIND",
    "OBJECTIVE_PARTS",
    "SCORES",
    "Book",
    "Front",
    "JudgedTrial",
    "Judgement",
    "Outline",
    "PerImage",
    "Standing",
    "Status",
    "costs",
    "covered",
    "front_numbers",
    "judged",
    "judged_trials",
    "mark_of",
    "objectives_table",
    "per_image",
    "row_of",
    "spans",
    "states",
    "status",
    "train_seconds",
    "unlike_torch",
    "verdicts",
    "worst_case",
]
