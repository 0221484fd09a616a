"""How many trials may be handed out as a cluster grows and shrinks, and which of them no node has room for."""

import contextlib
import time
from collections.abc import Callable

from harness.cluster.requests import Nodes, held_by, shown
from harness.study import Resources

LOOK_SECONDS = 5.0
"""Between two looks at the cluster's nodes."""

PATIENT_SECONDS = 600.0
"""How long a trial waits for its place before that is said, and said again."""


class Waiting:
    """Hears which trials were handed out, and which have found their place.

    Args:
        resources: What trials ask for.
        steered: Whether whoever asks for trials sees to ``resources.concurrent``, which may change.
        nodes: Returns what the nodes have now, and what they may be at most where nodes come when they are asked for.
        noted: Hears of trials that wait.
        clock: Returns seconds.
    """

    def __init__(
        self,
        resources: Resources,
        steered: bool,
        nodes: Callable[[], tuple[Nodes, Nodes]],
        noted: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources, self._steered, self._nodes = resources, steered, nodes
        self._noted, self._clock = noted, clock
        self._since: dict[str, tuple[int, float]] = {}
        self._said, self._looked, self._room = clock(), float("-inf"), 0

    def room(self) -> int:
        """Return how many trials may be out at a time: one at least, so that it is seen to wait."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            with contextlib.suppress(Exception):  # a cluster that does not answer for the moment has what it had
                held = max(held_by(self._resources, nodes) for nodes in self._nodes())
                self._room = held if self._steered else min(held, self._resources.concurrent)
        return max(1, self._room)

    def asked(self, key: str, number: int) -> None:
        """A trial was handed out."""
        self._since[key] = (number, self._clock())

    def began(self, key: str) -> None:
        """A trial has found its place, or has ended."""
        self._since.pop(key, None)

    def look(self) -> None:
        """Say what has waited for long, now and then."""
        now = self._clock()
        long = sorted(number for number, since in self._since.values() if now - since >= PATIENT_SECONDS)
        if not long or now - self._said < PATIENT_SECONDS:
            return
        try:
            there, _ = self._nodes()
        except Exception:  # a cluster that does not answer for the moment is asked again
            return
        self._said = now
        numbers = ", ".join(map(str, long))
        bundle = self._resources.bundle()
        self._noted(
            f"trial {numbers}: no node has had room for {bundle} for {PATIENT_SECONDS / 60:.0f} min; the nodes have "
            f"{shown(there, bundle) or 'nothing'}; add one, or end it and go on with other resources"
        )
