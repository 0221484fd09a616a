"""Jobs on Ray: the connection, Ray Tune's side and a trial's side."""

from harness.cluster.connection import OWN_PACKAGES, cluster, nodes
from harness.cluster.requests import attack_claim, claims_of, fitting, threads
from harness.cluster.scheduling import refuse_full_disk, schedule
from harness.cluster.submitting import Claim, RaySubmit

__all__ = [
    "OWN_PACKAGES",
    "Claim",
    "RaySubmit",
    "attack_claim",
    "claims_of",
    "cluster",
    "fitting",
    "nodes",
    "refuse_full_disk",
    "schedule",
    "threads",
]
