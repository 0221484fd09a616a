"""Whether nodes may come for what finds no place, by what Ray's autoscaler says of itself.

No driver can ask which nodes it may bring, or how many: Ray has a place for that and never fills it. What waits is all
that makes it act. The newer of its two versions, which `ray up` and KubeRay start, then names what it has no node for;
the older one never says so.
"""

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply  # type: ignore[attr-defined]
from ray.experimental.internal_kv import internal_kv_get_gcs_client
from ray.util.placement_group import placement_group, remove_placement_group

STATUS = b"__autoscaling_status"
"""Where the older version writes what it has seen and done."""

REPLY_SECONDS = 10
"""Longest wait for the cluster's head."""

ANSWER_SECONDS = 30.0
"""Longest wait for the newer version, which looks every five seconds, to say that it has no node for a request."""

LOOK_SECONDS = 1


def brings(request: Mapping[str, float]) -> bool:
    """Say whether nodes may come for a request, until one like it has waited and was refused.

    Args:
        request: What one node must have, by the name of a resource.
    """
    newer = _newer()
    return _older() if newer is None else not _refused(request, newer)


def could_bring(request: dict[str, float]) -> bool:
    """Say whether nodes may come for a request, having let it wait where it may be refused.

    Args:
        request: As of ``brings``; no node that is there holds it.
    """
    newer = _newer()
    if newer is None:
        return _older()
    if _refused(request, newer):
        return False
    group, end = placement_group([request]), time.monotonic() + ANSWER_SECONDS
    try:
        while time.monotonic() < end and not group.wait(LOOK_SECONDS):
            newer = _newer() or newer
            if _refused(request, newer):
                return False
            if newer.pending_instance_requests or newer.pending_instances:
                break
        return True
    finally:
        remove_placement_group(group)


def _head() -> Any:
    """Return what asks the cluster's head."""
    return internal_kv_get_gcs_client()  # type: ignore[no-untyped-call]


def _newer() -> Any:
    """Return what the newer version says, an ``AutoscalingState`` of Ray's; null where it does not run."""
    reply = GetClusterStatusReply()
    reply.ParseFromString(_head().get_cluster_status(timeout_s=REPLY_SECONDS))
    return reply.autoscaling_state if reply.HasField("autoscaling_state") else None


def _refused(request: Mapping[str, float], state: Any) -> bool:
    """Say whether there is no node for a trial's like; a Ray that brings none says so of whatever waits."""
    return any(
        _same(request, asked.resources_bundle)
        for gang in state.infeasible_gang_resource_requests
        for asked in gang.requests
    )


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[kind], other[kind], rel_tol=1e-3) for kind in one)


def _older() -> bool:
    """Say whether the older version brings nodes; where it only looks on, each node is of a kind with its own name."""
    told = _head().internal_kv_get(STATUS, None, timeout=REPLY_SECONDS)
    report = json.loads(told or b"{}").get("autoscaler_report") or {}
    kinds: dict[str, str] = report.get("node_type_mapping") or {}
    return any(kind != f"node_{node}" for node, kind in kinds.items())
