"""What one job does in one process: train the network, or attack it; knows no scheduler."""

from harness.stages.attacking import attack_stage, later_stage
from harness.stages.checkpoints import discard
from harness.stages.ground import Meter
from harness.stages.jobs import Outcome, Stage, Submit, T, call, failure_of
from harness.stages.priors import train_priors
from harness.stages.training import train_stage

__all__ = [
    "Meter",
    "Outcome",
    "Stage",
    "Submit",
    "T",
    "attack_stage",
    "call",
    "discard",
    "failure_of",
    "later_stage",
    "train_priors",
    "train_stage",
]
