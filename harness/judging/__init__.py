"""What records together say: worst case, verdicts, costs, who is on a front.

`judging.images`, which reads the scores of single images (oracle, standard errors), needs pandas: whoever wants it
imports it by name.
"""

from harness.judging.book import Book, Outline, Standing
from harness.judging.confirmed import Confirmed, Training, confirmed, confirmed_so_far, is_done, lacking, read_line
from harness.judging.controls import NO_CONTROLS, Controls
from harness.judging.costs import costs, covered, moment, reserved_seconds, spans, train_seconds, worked
from harness.judging.gained import not_halved
from harness.judging.same_images import other_images
from harness.judging.shared import Front, objectives_over
from harness.judging.software import unlike_torch
from harness.judging.status import Status, states, status
from harness.judging.suite import ALL, Suite, lacked, suite_of, widened_lines
from harness.judging.trials import JudgedTrial, judged, judged_trials, mark_of
from harness.judging.verdicts import Judgement, knows_no_more, verdicts
from harness.judging.versions import Pooled
from harness.judging.words import decided_by, settings_line
from harness.judging.worst import BLIND, OBJECTIVE_PARTS, Candidate, candidates, worst_case

__all__ = [
    "ALL",
    "BLIND",
    "NO_CONTROLS",
    "OBJECTIVE_PARTS",
    "Book",
    "Candidate",
    "Confirmed",
    "Controls",
    "Front",
    "JudgedTrial",
    "Judgement",
    "Outline",
    "Pooled",
    "Standing",
    "Status",
    "Suite",
    "Training",
    "candidates",
    "confirmed",
    "confirmed_so_far",
    "costs",
    "covered",
    "decided_by",
    "is_done",
    "judged",
    "judged_trials",
    "knows_no_more",
    "lacked",
    "lacking",
    "mark_of",
    "moment",
    "not_halved",
    "objectives_over",
    "other_images",
    "read_line",
    "reserved_seconds",
    "settings_line",
    "spans",
    "states",
    "status",
    "suite_of",
    "train_seconds",
    "unlike_torch",
    "verdicts",
    "widened_lines",
    "worked",
    "worst_case",
]
