"""What trials and their jobs ask of the cluster, and whether its nodes can hold that."""

import math
from collections.abc import Sequence

from harness.cluster.submitting import Claim
from harness.errors import UserError
from harness.study import Resources

Nodes = list[dict[str, float]]
"""What each node has, by the name of a resource."""


def refuse_unplaceable(resources: Resources, nodes: Nodes, at_most: Sequence[dict[str, float]] = ()) -> None:
    """Refuse what no node can hold.

    Args:
        resources: What trials ask for.
        nodes: Those that are there.
        at_most: Those that there may be, where nodes come when they are asked for.

    Raises:
        UserError: not even one trial fits; says what it asks for and what the nodes have.
    """
    if held_by(resources, nodes) or held_by(resources, at_most):
        return
    coming = f", and those that may come {_unlike(at_most)}" if at_most else ""
    raise UserError(
        f"resources: a trial asks for {bundle_of(resources)}; no node has that, the nodes have {nodes}{coming}; "
        "lower resources/train and resources/attack, or add a node"
    )


def held_by(resources: Resources, nodes: Sequence[dict[str, float]]) -> int:
    """Return how many trials nodes hold at once, however many are asked for."""
    bundle = bundle_of(resources)
    return sum(_times(bundle, node) for node in nodes)


def bundle_of(resources: Resources) -> dict[str, float]:
    """Return what a trial reserves: what its training takes, and as much as its largest attack."""
    train, attack = resources.train, resources.attack
    return _request(max(train.cpu, attack.cpu), max(train.gpu, attack.gpu))


def attack_claim(resources: Resources, nodes: Nodes) -> Claim:
    """Return what an attack on a finished trial takes of the cluster, beside no trial's bundle.

    Raises:
        UserError: no node has that; says what it asks for and what the nodes have.
    """
    attack = resources.attack
    request = _request(attack.cpu, attack.gpu)
    if not any(_times(request, node) for node in nodes):
        raise UserError(
            f"resources: an attack asks for {request}; no node has that, the nodes have {nodes}; "
            "lower it as in --set resources/attack/gpu=0, or add a node"
        )
    return Claim(cpu=attack.cpu, gpu=attack.gpu)


def claims_of(resources: Resources) -> dict[str, Claim]:
    """Return what each kind of job takes of its trial's bundle."""
    return {
        "train": Claim(cpu=resources.train.cpu, gpu=resources.train.gpu),
        "attack": Claim(cpu=resources.attack.cpu, gpu=resources.attack.gpu),
    }


def _request(cpu: float, gpu: float) -> dict[str, float]:
    return {"CPU": float(cpu)} | ({"GPU": float(gpu)} if gpu else {})


def _times(request: dict[str, float], node: dict[str, float]) -> int:
    """Return how often a node holds a request."""
    return min(math.floor(node.get(kind, 0.0) / amount + 1e-9) for kind, amount in request.items() if amount)


def _unlike(nodes: Sequence[dict[str, float]]) -> Nodes:
    """Return each kind of node once."""
    return [dict(pairs) for pairs in dict.fromkeys(tuple(sorted(node.items())) for node in nodes)]


def threads(cpu: float) -> int:
    """Return how many threads a job with a share of CPUs uses."""
    return max(1, math.floor(cpu))
