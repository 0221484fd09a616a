"""Whether numbers of one study come from different software."""

from collections.abc import Iterable

from harness.records import Circumstances

DECISIVE = "torch"
"""The package whose version a reader of a study's numbers must know of."""


def unlike_torch(costs: Iterable[Circumstances]) -> list[str]:
    """Return a line for each pair of versions of torch, a node's and its driver's, that differ; it names the nodes."""
    nodes: dict[tuple[str, str], dict[str, None]] = {}
    for cost in costs:
        if DECISIVE in cost.driver:
            versions = cost.packages.get(DECISIVE, "none"), cost.driver[DECISIVE]
            nodes.setdefault(versions, {})[cost.node or "an unknown node"] = None
    return [
        f"{DECISIVE} {own} on {', '.join(names)}, {driver} at the driver: their numbers may differ by more than chance"
        for (own, driver), names in nodes.items()
    ]
