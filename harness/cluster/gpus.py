"""What share of a GPU a job takes that says how much of its memory."""

import subprocess
from collections.abc import Callable, Mapping, Sequence

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import UserError
from harness.ledger.disk import shown
from harness.records import one_line
from harness.study import Resources, Share

ASK = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")

ANSWER_SECONDS = 180.0
"""Longest time for all nodes to look: each unpacks the packages first."""

MIB = 2**20

Sizes = Mapping[str, Sequence[int]]
"""Bytes of each GPU, by node."""


def by_memory(resources: Resources) -> bool:
    """Say whether trials ask for memory of a GPU, so that it matters how large those are."""
    return any(share.gpu_memory is not None for share in (resources.train, resources.attack))


def whole(resources: Resources) -> Resources:
    """Return what trials ask for by a whole GPU, where they ask for memory of one that is too small or not there."""
    return _with(resources, lambda kind, share: share.sized(share.gpu_memory or 1))


def sized(resources: Resources, nodes: Sizes) -> Resources:
    """Return what trials ask for by their shares of the smallest GPU, where they ask for memory of one.

    Args:
        resources: What they ask for.
        nodes: Bytes of each GPU, by node.

    Raises:
        UserError: there is no GPU, or the smallest does not hold what is asked for; says how large they are.
    """
    return _with(resources, lambda kind, share: _sized(kind, share, nodes))


def _with(resources: Resources, change: Callable[[str, Share], Share]) -> Resources:
    shares = {"train": resources.train, "attack": resources.attack}
    return resources.model_copy(update={kind: change(kind, share) for kind, share in shares.items()})


def _sized(kind: str, share: Share, nodes: Sizes) -> Share:
    if share.gpu_memory is None:
        return share
    sizes = [size for there in nodes.values() for size in there]
    path = f"resources/{kind}/gpu_memory: {shown(share.gpu_memory)}"
    if not sizes:
        raise UserError(f"{path}: no node has a GPU whose memory nvidia-smi tells; say gpu: 1, or add a node")
    if share.gpu_memory > min(sizes):
        have = ", ".join(f"{node} {shown(min(there))}" for node, there in sorted(nodes.items()) if there)
        raise UserError(f"{path}: the smallest GPU has {shown(min(sizes))} ({have}); lower it, or take that node out")
    return share.sized(min(sizes))


def here() -> list[int]:
    """Return the bytes of each GPU of this machine, none where there is no nvidia-smi."""
    try:
        told = subprocess.run(ASK, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) * MIB for line in told.split() if line.isdecimal()]


def of_nodes() -> dict[str, list[int]]:
    """Return the bytes of each GPU, by the host names of the nodes that have any.

    Raises:
        UserError: a node does not answer.
    """
    there = {
        node["NodeID"]: str(node["NodeManagerHostname"])
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get("GPU")
    }
    looking = ray.remote(here)
    asked = {
        node: looking.options(
            num_cpus=0, max_retries=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        for node in there
    }
    try:
        return {there[node]: ray.get(answer, timeout=ANSWER_SECONDS) for node, answer in asked.items()}
    except (GetTimeoutError, RayError) as error:
        raise UserError(f"a node of the cluster could not say what GPUs it has: {one_line(error)[:200]}") from error
