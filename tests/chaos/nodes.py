"""Ray nodes on one machine, one of which may be lost and another come; and the processes that work on them."""

import contextlib
import os
import random
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from tests.servers import tree

SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
TRIES = 4

JOB, TRIAL = "ray::_job", "ray::ImplicitFunc"
"""How Ray titles a process that trains or attacks, and one in which a trial waits for those."""


class Nodes:
    """A head without CPUs, and nodes of one CPU each.

    Args:
        count: How many of the latter.
    """

    def __init__(self, count: int) -> None:
        head = SMALL | {"num_cpus": 0, "include_dashboard": False}
        self._had: set[psutil.Process] = set()
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(count):
            self.add()

    @property
    def address(self) -> str:
        """The head's."""
        return str(self._cluster.address)

    def add(self) -> None:
        """Let a node come; one that a busy machine starts too slowly for Ray is started again."""
        for left in reversed(range(TRIES)):
            try:
                self._cluster.add_node(**SMALL)
            except Exception:  # Ray's own has no type
                if not left:
                    raise
            else:
                return

    def lose(self, dice: random.Random, busy: bool = False) -> int:
        """Kill the raylet of a node, of one that trains or attacks if so wished; return its process."""
        nodes = [
            node
            for node in self._cluster.worker_nodes
            if not busy or any(_works(process, job=True) for process in _of(node))
        ]
        node = dice.choice(sorted(nodes, key=lambda node: str(node.node_id)))
        (raylet,) = node.all_processes["raylet"]
        self._had.update(tree(raylet.process.pid))
        raylet.process.kill()
        raylet.process.wait()
        self._cluster.remove_node(node, allow_graceful=False)  # what is left of it, its agents
        return int(raylet.process.pid)

    def silence(self, dice: random.Random) -> None:
        """Stop all of a node that trains or attacks, as a machine stops that has no power: no connection is closed."""
        working = [node for node in self._cluster.worker_nodes if any(_works(each, job=True) for each in _of(node))]
        for process in _of(dice.choice(sorted(working, key=lambda node: str(node.node_id)))):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def working(self, job: bool) -> list[psutil.Process]:
        """Return the processes that train or attack, or those in which trials wait for them."""
        return [process for node in self._nodes() for process in _of(node) if _works(process, job)]

    def reserved(self) -> dict[str, float]:
        """Return what of the CPUs is not free, now that no driver runs."""
        ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
        try:
            free, there = ray.available_resources(), ray.cluster_resources()
            return {kind: there[kind] - free.get(kind, 0.0) for kind in ("CPU",) if there[kind] != free.get(kind)}
        finally:
            ray.shutdown()

    def stop(self) -> None:
        """End all of them."""
        self._had.update(tree(os.getpid())[1:])
        self._cluster.shutdown()

    def left(self) -> list[psutil.Process]:
        """Return what a node had started that still runs though the node is gone; Ray takes their marks from them."""
        own = {process for node in self._nodes() for process in _of(node)}
        return [process for process in self._had - own if process.is_running()]

    def _nodes(self) -> list[Any]:
        head = self._cluster.head_node
        return [*self._cluster.worker_nodes, *([head] if head else [])]


def _of(node: Any) -> list[psutil.Process]:
    """Return a node's raylet and all that descends from it."""
    return [process for raylet in node.all_processes["raylet"] for process in tree(raylet.process.pid)]


def _works(process: psutil.Process, job: bool) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, IndexError):
        return process.cmdline()[0].startswith(JOB if job else TRIAL)
    return False
