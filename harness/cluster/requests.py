"""What trials and their jobs ask of the cluster, and whether its nodes can hold that."""

import math
from collections.abc import Callable, Sequence

from harness.cluster.tasks import Claim
from harness.errors import UserError
from harness.study import Resources
from harness.study.share import OWN, Share

Nodes = list[dict[str, float]]
"""What each node has, by the name of a resource."""

ADDRESS = "node:"
"""How the resource begins by which a node is found."""

NONE_COMES = " and no autoscaler brings one that has it"


def refuse_unplaceable(
    resources: Resources, nodes: Nodes, comes: Callable[[dict[str, float]], bool] | None = None
) -> None:
    """Refuse what no node can hold.

    Args:
        resources: What trials ask for.
        nodes: Those that are there.
        comes: Says whether a node may come for a bundle that none of them holds; null where none comes.

    Raises:
        UserError: not even one trial fits; says what it asks for and what the nodes have.
    """
    bundle = resources.bundle()
    if held_by(resources, nodes) or (comes is not None and comes(bundle)):
        return
    raise UserError(
        f"resources: a trial asks for {bundle}; no node has that, the nodes have {shown(nodes, bundle)}"
        f"{NONE_COMES if comes else ''}; lower resources/train and resources/attack, or add a node"
    )


def held_by(resources: Resources, nodes: Sequence[dict[str, float]]) -> int:
    """Return how many trials nodes hold at once, however many are asked for."""
    bundle = resources.bundle()
    return sum(_times(bundle, node) for node in nodes)


def side_by_side(resources: Resources) -> int:
    """Return how many attacks of a trial run at a time in what it reserves."""
    return _times(resources.attack.request(), resources.bundle())


def attack_claim(resources: Resources, nodes: Nodes, comes: Callable[[dict[str, float]], bool] | None = None) -> Claim:
    """Return what an attack on a finished trial takes of the cluster, beside no trial's bundle.

    Args as of ``refuse_unplaceable``.

    Raises:
        UserError: no node has that; says what it asks for and what the nodes have.
    """
    request = resources.attack.request()
    if not holds_attack(resources, nodes) and not (comes is not None and comes(request)):
        raise UserError(
            f"resources: an attack asks for {request}; no node has that, the nodes have {shown(nodes, request)}"
            f"{NONE_COMES if comes else ''}; lower it as in --set resources/attack/gpu=0, or add a node"
        )
    return _claim(resources.attack)


def holds_attack(resources: Resources, nodes: Nodes) -> bool:
    """Say whether a node can hold an attack on a finished trial."""
    return any(_times(resources.attack.request(), node) for node in nodes)


def claims_of(resources: Resources) -> dict[str, Claim]:
    """Return what each kind of job takes of its trial's bundle."""
    return {"train": _claim(resources.train), "attack": _claim(resources.attack)}


def _claim(share: Share) -> Claim:
    others = {kind: amount for kind, amount in share.request().items() if kind not in OWN}
    return Claim(cpu=share.cpu, gpu=share.gpu, memory=float(share.memory or 0), others=others)


def _times(request: dict[str, float], node: dict[str, float]) -> int:
    """Return how often a node holds a request."""
    return min(_often(kind, amount, node.get(kind, 0.0)) for kind, amount in request.items() if amount)


def _often(kind: str, amount: float, there: float) -> int:
    """Return how often a node holds an amount; a share of a GPU is all of one GPU, so what each has left is lost."""
    if kind != "GPU" or amount >= 1:
        return math.floor(there / amount + 1e-9)
    gpus = math.floor(there)
    return gpus * math.floor(1 / amount + 1e-9) + math.floor((there - gpus) / amount + 1e-9)


def shown(nodes: Sequence[dict[str, float]], request: dict[str, float]) -> Nodes:
    """Return what nodes have of CPUs, GPUs, and what else is asked for."""
    return [{kind: node.get(kind, 0.0) for kind in {"CPU": 0.0, "GPU": 0.0} | request} for node in nodes]


def named(nodes: Sequence[dict[str, float]]) -> str:
    """Return what nodes are called, ``the nodes 10.0.0.1, 10.0.0.2``: Ray gives each a resource of its address."""
    own = (kind.removeprefix(ADDRESS) for node in nodes for kind in node if kind.startswith(ADDRESS))
    return " ".join(["the nodes", ", ".join(name for name in own if not name.startswith("__"))]).strip()


def threads(cpu: float) -> int:
    """Return how many threads a job with a share of CPUs uses."""
    return max(1, math.floor(cpu))
