"""Jobs on Ray: the connection, Ray Tune's side and a trial's side."""

from harness.cluster.connection import OWN, cluster, nodes
from harness.cluster.scheduling import attack_claim, claims_of, fitting, refuse_full_disk, schedule, threads
from harness.cluster.submitting import Claim, RaySubmit

__all__ = [
    "OWN",
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
