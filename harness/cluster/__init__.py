"""Jobs on Ray: the connection, Ray Tune's side and a trial's side; and, for a debugger, jobs without it."""

from harness.cluster.connection import OWN_PACKAGES, cluster
from harness.cluster.exchange import NOT_NOW, Exchange, NotNow
from harness.cluster.requests import Nodes, claims_of, held_by, refuse_unplaceable, side_by_side, threads
from harness.cluster.running import IN_PROCESS, Found, Runner, Setbacks, found_at, runner
from harness.cluster.scheduling import refuse_full_disk, schedule
from harness.cluster.tasks import KILLED, LOST

__all__ = [
    "IN_PROCESS",
    "KILLED",
    "LOST",
    "NOT_NOW",
    "OWN_PACKAGES",
    "Exchange",
    "Found",
    "Nodes",
    "NotNow",
    "Runner",
    "Setbacks",
    "claims_of",
    "cluster",
    "found_at",
    "held_by",
    "refuse_full_disk",
    "refuse_unplaceable",
    "runner",
    "schedule",
    "side_by_side",
    "threads",
]
