"""What trials and their jobs ask of the cluster, and whether its nodes can hold that."""

import math

from harness.cluster.submitting import Claim
from harness.errors import UserError
from harness.study import Resources


def fitting(resources: Resources, nodes: list[dict[str, float]]) -> int:
    """Return how many trials can run at once, at most ``resources.concurrent``.

    Raises:
        UserError: not even one fits; says what it asks for and what the nodes have.
    """
    bundle, attack = bundle_of(resources), _request(resources.attack.cpu, resources.attack.gpu)
    if count := most_at_once(resources, nodes):
        return count
    large = not _fits(attack, bundle)
    asked = f"train {bundle}" + (f" and, beside it, attack {attack}" if large else "")
    raise UserError(
        f"resources: a trial asks for {asked}; no node has that, the nodes have {nodes}; "
        "lower resources/train and resources/attack, or add a node"
    )


def capacity(resources: Resources, nodes: list[dict[str, float]]) -> int:
    """Return how many trials the nodes could hold, however many are asked for; errors as of ``fitting``."""
    fitting(resources, nodes)
    bundle = bundle_of(resources)
    bounds = [sum(node.get(kind, 0.0) for node in nodes) / amount for kind, amount in bundle.items() if amount]
    bound = max(resources.concurrent, math.floor(min(bounds) + 1e-9))
    return most_at_once(resources.model_copy(update={"concurrent": bound}), nodes)


def most_at_once(resources: Resources, nodes: list[dict[str, float]]) -> int:
    """Return how many trials can run at once, at most ``resources.concurrent``; 0 if not even one fits."""
    bundle, attack = bundle_of(resources), _request(resources.attack.cpu, resources.attack.gpu)
    large = not _fits(attack, bundle)
    counts = range(resources.concurrent, 0, -1)
    return next((count for count in counts if _packs([attack] * large + [bundle] * count, nodes)), 0)


def attack_claim(resources: Resources, nodes: list[dict[str, float]]) -> Claim:
    """Return what an attack on a finished trial takes of the cluster, beside no trial's bundle.

    Raises:
        UserError: no node has that; says what it asks for and what the nodes have.
    """
    attack = resources.attack
    request = _request(attack.cpu, attack.gpu)
    if not _packs([request], nodes):
        raise UserError(
            f"resources: an attack asks for {request}; no node has that, the nodes have {nodes}; "
            "lower it as in --set resources/attack/gpu=0, or add a node"
        )
    return Claim(cpu=attack.cpu, gpu=attack.gpu)


def claims_of(resources: Resources) -> dict[str, Claim]:
    """Return what each kind of job takes of the cluster."""
    attack = _request(resources.attack.cpu, resources.attack.gpu)
    own = not _fits(attack, bundle_of(resources))
    return {
        "train": Claim(cpu=resources.train.cpu, gpu=resources.train.gpu),
        "attack": Claim(cpu=resources.attack.cpu, gpu=resources.attack.gpu, own_group=own),
    }


def bundle_of(resources: Resources) -> dict[str, float]:
    """Return what a trial reserves: what its training takes."""
    return _request(resources.train.cpu, resources.train.gpu)


def _request(cpu: float, gpu: float) -> dict[str, float]:
    return {"CPU": float(cpu)} | ({"GPU": float(gpu)} if gpu else {})


def _fits(request: dict[str, float], free: dict[str, float]) -> bool:
    return all(amount <= free.get(kind, 0) + 1e-9 for kind, amount in request.items())


def _packs(requests: list[dict[str, float]], free: list[dict[str, float]]) -> bool:
    """Say whether requests, placed one after another where they fit first, all find a node."""
    left = [dict(node) for node in free]
    for request in requests:
        place = next((node for node in left if _fits(request, node)), None)
        if place is None:
            return False
        for kind, amount in request.items():
            place[kind] -= amount
    return True


def threads(cpu: float) -> int:
    """Return how many threads a job with a share of CPUs uses."""
    return max(1, math.floor(cpu))
