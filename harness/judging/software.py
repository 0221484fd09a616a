"""Whether numbers of one study come from different software."""

from collections.abc import Iterable

from harness.records import Circumstances

DECISIVE = "torch"
"""The package whose version a reader of a study's numbers must know of."""


def unlike_torch(costs: Iterable[Circumstances]) -> list[str]:
    """Return a line for each pair of versions of torch, a node's and its driver's, that differ, with the nodes; and one
    if different versions ran in all, as when a study was resumed under another.
    """
    nodes: dict[tuple[str, str], dict[str, None]] = {}
    ran: dict[str, None] = {}
    for cost in costs:
        own = cost.packages.get(DECISIVE)
        if own is not None:
            ran[own] = None
        if DECISIVE in cost.driver:
            nodes.setdefault((own or "none", cost.driver[DECISIVE]), {})[cost.node or "an unknown node"] = None
    beside = [
        f"{DECISIVE} {own} on {', '.join(names)}, {driver} at the driver: their numbers may differ by more than chance"
        for (own, driver), names in nodes.items()
    ]
    if len(ran) > 1:
        beside.append(f"{DECISIVE} {', '.join(ran)} in one study: numbers may differ by more than chance")
    return beside
