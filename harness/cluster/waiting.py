"""How many trials may be handed out as a cluster grows and shrinks, and which of them no node has room for."""

import contextlib
import time
from collections.abc import Callable

from harness.cluster.requests import Nodes, held_by, named, shown
from harness.study import Resources

LOOK_SECONDS = 5.0
"""Between two looks at the cluster's nodes."""

PATIENT_SECONDS = 600.0
"""How long a trial waits for its place before that is said, and said again."""

AHEAD = 8
"""Most trials that wait for nodes to come."""


class Waiting:
    """Hears which trials were handed out, which have found their place, and which have ended.

    Where nodes come when something waits for them, one more trial is handed out at each look, until the cluster has no
    node for it: then none until its nodes change. If none has come for long, one alone goes on waiting.

    Args:
        resources: What trials ask for.
        steered: Whether whoever asks for trials sees to ``resources.concurrent``, which may change.
        nodes: Returns what the nodes have now.
        brings: Says whether nodes may come for a bundle.
        noted: Hears of trials that wait.
        clock: Returns seconds.
    """

    def __init__(
        self,
        resources: Resources,
        steered: bool,
        nodes: Callable[[], Nodes],
        brings: Callable[[dict[str, float]], bool],
        noted: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources, self._steered, self._nodes, self._brings = resources, steered, nodes, brings
        self._noted, self._clock = noted, clock
        self._since: dict[str, tuple[int, float]] = {}
        self._placed, self._told = set[str](), False
        self._said, self._looked, self._held, self._ahead, self._room = clock(), float("-inf"), 0, AHEAD, 0

    def another(self) -> bool:
        """Say whether one more trial may be out: the first may, so that it is seen to wait."""
        out = len(self._since) + len(self._placed)
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            with contextlib.suppress(Exception):  # a cluster that does not answer for the moment has what it had
                room = self._held_now() + self._hoped_for(out)
                self._room = room if self._steered else min(room, self._resources.concurrent)
        return out < max(1, self._room)

    def _held_now(self) -> int:
        """Return how many trials the nodes hold."""
        held = held_by(self._resources, self._nodes())
        if held != self._held:
            self._held, self._ahead = held, AHEAD
        return held

    def _hoped_for(self, out: int) -> int:
        """Return how many trials more than the nodes hold may be out, for nodes to come: one more than are."""
        if not self._brings(self._resources.bundle()):
            self._ahead = 0
        elif self._long():
            self._ahead = min(self._ahead, 1)
        return min(self._ahead, max(0, out - self._held) + 1)

    def asked(self, key: str, number: int) -> None:
        """A trial was handed out."""
        self._since[key] = (number, self._clock())

    def began(self, key: str) -> None:
        """A trial has found its place."""
        if self._since.pop(key, None):
            self._placed.add(key)

    def lost(self, key: str, number: int) -> None:
        """A trial's process or its node went: it waits for a place again."""
        self._placed.discard(key)
        self._since[key] = (number, self._clock())

    def ended(self, key: str) -> None:
        """A trial has ended."""
        self._since.pop(key, None)
        self._placed.discard(key)

    def look(self) -> None:
        """Say what has waited for long, now and then; of what waits for its turn on nodes that are taken, once."""
        long = self._long()
        if not long or self._clock() - self._said < PATIENT_SECONDS:
            return
        try:
            there = self._nodes()
        except Exception:  # a cluster that does not answer for the moment is asked again
            return
        self._said = self._clock()
        taken = 0 < held_by(self._resources, there) <= len(self._placed)
        if not (taken and self._told):
            self._noted(self._line(long, there, taken))
        self._told = self._told or taken

    def _line(self, long: list[int], there: Nodes, taken: bool) -> str:
        bundle, minutes = self._resources.bundle(), f"{PATIENT_SECONDS / 60:.0f} min"
        trials = f"trial {', '.join(map(str, long))}"
        if taken:
            return f"{trials}: no further node has come for {bundle} in {minutes}; it waits until another trial ends"
        return (
            f"{trials}: no node has had room for {bundle} for {minutes}; {named(there)} have "
            f"{shown(there, bundle) or 'nothing'}; add one, or end it and go on with other resources"
        )

    def _long(self) -> list[int]:
        """Return the trials that have waited for long."""
        now = self._clock()
        return sorted(number for number, since in self._since.values() if now - since >= PATIENT_SECONDS)
