"""What one job does in one process: train the network, or attack it; knows no scheduler."""

from harness.stages.assignment import Assignment
from harness.stages.attacking import attack_stage, later_stage
from harness.stages.checkpoints import discard
from harness.stages.ground import circumstances, software
from harness.stages.jobs import Outcome, Stage, Submit, T, call, failure_of
from harness.stages.priors import PRIORS_FOLDER, Priors, train_priors
from harness.stages.site import Site, site
from harness.stages.spent import Spent, Stopwatch
from harness.stages.training import train_stage

__all__ = [
    "PRIORS_FOLDER",
    "Assignment",
    "Outcome",
    "Priors",
    "Site",
    "Spent",
    "Stage",
    "Stopwatch",
    "Submit",
    "T",
    "attack_stage",
    "call",
    "circumstances",
    "discard",
    "failure_of",
    "later_stage",
    "site",
    "software",
    "train_priors",
    "train_stage",
]
