"""Where a study is planned to run: a cluster that is asked, nodes that are only described, or this machine."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import torch

from harness.cluster import IN_PROCESS, Found, found_at, gpus, held_by, refuse_unplaceable
from harness.driver.forecast import Machine
from harness.errors import UserError
from harness.study import Resources
from harness.study.sections import MOST

UNSAID = 1e18
"""Of a resource of which nobody said how much a node has."""


class Described(NamedTuple):
    """Nodes as a user describes them, all alike; null for what is as on this machine."""

    nodes: int | None = None
    """How many; one, if nobody says."""
    cpus: int | None = None
    gpus: int | None = None
    gpu_memory: int | None = None
    """Bytes of each GPU."""


class Fitted(NamedTuple):
    """A machine, and what trials take of it."""

    machine: Machine
    resources: Resources
    """By shares of its GPUs; a whole one where none of them holds the memory that is asked for."""


def fitted(resources: Resources, address: str | None, described: Described, rate: float | None) -> Fitted:
    """Return where a study is to run, and what its trials take there.

    Args:
        resources: What they ask for.
        address: Of a cluster, which is asked if no nodes are described.
        described: Nodes in its place, or in this machine's.
        rate: Money an hour for each node; null where nobody said.

    Raises:
        UserError: the cluster does not answer; or GPUs are described whose size nobody knows, and it matters.
    """
    if address not in (None, IN_PROCESS) and described._replace(gpu_memory=None) == Described():
        found = found_at(address, resources)
        if (size := described.gpu_memory) is not None:
            found = found._replace(gpus_there=[there._replace(sizes=[size]) for there in found.gpus_there])
    else:
        found = _described(resources, described)
    return fitting(resources, found, rate)


def fitting(resources: Resources, found: Found, rate: float | None) -> Fitted:
    """Return what is there as a machine, and what trials take of it.

    Args:
        resources: What they ask for.
        found: What is there.
        rate: As of ``fitted``.
    """
    nodes, told, asked = found.nodes, list[str](), resources
    try:
        asked = gpus.sized(resources, found.gpus_there, lambda request: found.comes, told.append)
        refuse_unplaceable(asked, nodes, (lambda request: True) if found.comes else None)
    except UserError as error:
        return Fitted(Machine(0, len(nodes), rate, (str(error),)), gpus.whole(asked))
    slots = held_by(asked, nodes)
    if not slots:
        slots = 1 if asked.concurrent == MOST else asked.concurrent
        told.append(
            f"the machine: no node that is there holds a trial, the autoscaler may bring some: reckoned with {slots} "
            "at a time; --nodes, --cpus-per-node and --gpus-per-node say what it brings"
        )
    return Fitted(Machine(slots, len(nodes), rate, remarks=tuple(told)), asked)


def _described(resources: Resources, described: Described) -> Found:
    """Return what nodes have and, if it matters, how large their GPUs are; of what nobody says, enough."""
    count = torch.cuda.device_count() if described.gpus is None else described.gpus
    own = {"CPU": float(described.cpus or os.cpu_count() or 1), "GPU": float(count)}
    node = dict.fromkeys(resources.bundle(), UNSAID) | own
    name = "this machine" if described == Described() else "each node"
    sizes = _sizes(described) if count and gpus.by_memory(resources) else []
    there: Sequence[gpus.Gpus] = [gpus.Gpus(name, sizes, gpus.kinds_of(node))] if count else []
    return Found([node] * (described.nodes or 1), there, comes=False)


def _sizes(described: Described) -> list[int]:
    """Return the bytes of a node's GPUs."""
    if described.gpu_memory is not None:
        return [described.gpu_memory]
    here = gpus.here()
    if not here and described != Described():
        raise UserError(
            "--gpu-memory: is missing; trials ask for memory of a GPU, and this machine has none that tells how large "
            "those of the nodes are; say it, as --gpu-memory 80GiB"
        )
    return here
