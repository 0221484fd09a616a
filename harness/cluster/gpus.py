"""What share of a GPU a job takes that says how much of its memory."""

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import UserError
from harness.ledger.disk import shown
from harness.records import one_line
from harness.study import Resources, Share
from harness.study.share import KIND

ASK = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")

ANSWER_SECONDS = 180.0
"""Longest time for all nodes to look: each unpacks the packages first."""

MIB = 2**20


class Gpus(NamedTuple):
    """The GPUs of a node."""

    node: str
    """Its host name."""
    sizes: Sequence[int]
    """Bytes of each; none where nobody can tell."""
    kinds: frozenset[str] = frozenset()
    """Of accelerators that it has, as Ray calls them."""


def kinds_of(resources: Mapping[str, float]) -> frozenset[str]:
    """Return the kinds of accelerators among what a node has or a job asks for, by Ray's names."""
    return frozenset(name.removeprefix(KIND) for name in resources if name.startswith(KIND))


def by_memory(resources: Resources) -> bool:
    """Say whether trials ask for memory of a GPU, so that it matters how large those are."""
    return any(share.gpu_memory is not None for share in (resources.train, resources.attack))


def whole(resources: Resources) -> Resources:
    """Return what trials ask for by a whole GPU, where they ask for memory of one that is too small or not there."""
    return _with(resources, lambda kind, share: share.sized(share.gpu_memory or 1))


def sized(
    resources: Resources,
    nodes: Sequence[Gpus],
    comes: Callable[[dict[str, float]], bool] = lambda request: False,
    noted: Callable[[str], None] = lambda line: None,
) -> Resources:
    """Return what trials ask for by their shares of the smallest GPU of the kind, where they ask for memory of one.

    Args:
        resources: What they ask for.
        nodes: Those that have GPUs.
        comes: Says whether a node may come for a request that none of them holds: a whole GPU is then reserved, since
            nobody knows how large it will be.
        noted: Hears of that.

    Raises:
        UserError: there is no such GPU and none comes, or the smallest does not hold what is asked for; says how large
            they are.
    """
    shares = {"train": resources.train, "attack": resources.attack}
    away = [kind for kind, share in shares.items() if share.gpu_memory is not None and not _of(share, nodes)]
    coming = bool(away) and comes(whole(resources).bundle())

    def change(kind: str, share: Share) -> Share:
        if kind not in away or not coming:
            return _sized(kind, share, nodes)
        noted(
            f"{_asked(kind, share)}: {_none(share)} yet, but the autoscaler may bring one; a whole one is reserved, "
            "until the study is resumed where one is there"
        )
        return share.sized(share.gpu_memory or 1)

    return _with(resources, change)


def _with(resources: Resources, change: Callable[[str, Share], Share]) -> Resources:
    shares = {"train": resources.train, "attack": resources.attack}
    return resources.model_copy(update={kind: change(kind, share) for kind, share in shares.items()})


def _sized(kind: str, share: Share, nodes: Sequence[Gpus]) -> Share:
    if share.gpu_memory is None:
        return share
    there = [node for node in _of(share, nodes) if node.sizes]
    if not there:
        raise UserError(
            f"{_asked(kind, share)}: {_none(share)} whose memory nvidia-smi tells; say gpu: 1, or add a node"
        )
    smallest = min(min(node.sizes) for node in there)
    if share.gpu_memory > smallest:
        have = ", ".join(f"{node.node} {shown(min(node.sizes))}" for node in sorted(there))
        way = "" if share.accelerator else f", or say which accelerator in resources/{kind}"
        raise UserError(
            f"{_asked(kind, share)}: the smallest GPU has {shown(smallest)} ({have}); lower it, or take that node out"
            f"{way}"
        )
    return share.sized(smallest)


def _of(share: Share, nodes: Iterable[Gpus]) -> list[Gpus]:
    """Return the nodes that have what a job asks for; any GPU, where it does not say which kind."""
    return [node for node in nodes if share.accelerator is None or share.accelerator in node.kinds]


def _asked(kind: str, share: Share) -> str:
    return f"resources/{kind}/gpu_memory: {shown(share.gpu_memory or 0)}"


def _none(share: Share) -> str:
    return f"no node has {f'the accelerator {share.accelerator}' if share.accelerator else 'a GPU'}"


def here() -> list[int]:
    """Return the bytes of each GPU of this machine, none where there is no nvidia-smi."""
    try:
        told = subprocess.run(ASK, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) * MIB for line in told.split() if line.isdecimal()]


class Node(NamedTuple):
    """A node that has GPUs."""

    id: str
    """The cluster's name of it."""
    host: str
    resources: dict[str, float]
    """What it has, by Ray's names."""


def nodes_with_gpus() -> list[Node]:
    """Return the nodes of the cluster that have any."""
    return [
        Node(node["NodeID"], str(node["NodeManagerHostname"]), node["Resources"])
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get("GPU")
    ]


def of_nodes() -> list[Gpus]:
    """Return the GPUs of the nodes that have any.

    Raises:
        UserError: a node does not answer.
    """
    looking = ray.remote(here)
    asked = [
        (
            node,
            looking.options(
                num_cpus=0, max_retries=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
            ).remote(),
        )
        for node in nodes_with_gpus()
    ]
    try:
        answers = [(node, ray.get(answer, timeout=ANSWER_SECONDS)) for node, answer in asked]
    except (GetTimeoutError, RayError) as error:
        raise UserError(f"a node of the cluster could not say what GPUs it has: {one_line(error)[:200]}") from error
    return [Gpus(node.host, sizes, kinds_of(node.resources)) for node, sizes in answers]
