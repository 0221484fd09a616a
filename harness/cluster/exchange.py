"""What a driver and whoever runs its trials say to each other, in the driver's process."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from harness.records import Asked, Progress
from harness.trial import Result


class NotNow(Enum):
    """There is no trial now; there may be one soon."""

    NOT_NOW = "not now"


NOT_NOW = NotNow.NOT_NOW


def _nothing() -> None:
    """Look at nothing."""


class Exchange(NamedTuple):
    """What a driver and whoever runs its trials say to each other."""

    ask: Callable[[], Asked | NotNow | None]
    """Returns the next trial; null if there is none, and none will come."""
    finish: Callable[[Result], None]
    """Gets each result; what it raises ends the work."""
    watch: Callable[[int, Progress], None]
    """Hears of a trial's progress, by its number."""
    avoided: Callable[[int], frozenset[str]] = lambda number: frozenset()
    """Says which nodes a trial shall not go to, by the cluster's names of them."""
    left_out: Callable[[], frozenset[str]] = frozenset
    """Returns the nodes that no trial shall go to."""
    look: Callable[[], None] = _nothing
    """Called every second or so while trials run; what it raises ends the work."""
    noted: Callable[[str], None] = lambda line: None
    """Hears what there is to know of the cluster."""
    steered: bool = False
    """Whether ``ask`` itself sees to how many trials run at a time."""
