"""Files that start a study where it runs: a Slurm job, a RayJob on Kubernetes, a cluster of Ray's own launcher.

Each is a function of an ``Order``; nothing here speaks to a cluster.
"""

from collections.abc import Callable

from harness.launching.kuberay import ray_job
from harness.launching.launcher import ray_cluster
from harness.launching.order import Order, Sheet, order_of
from harness.launching.slurm import slurm_job

FORMS: dict[str, Callable[[Order], Sheet]] = {"slurm": slurm_job, "kuberay": ray_job, "ray": ray_cluster}
"""By the word of ``invfront cluster``."""

__all__ = ["FORMS", "Order", "Sheet", "order_of", "ray_cluster", "ray_job", "slurm_job"]
