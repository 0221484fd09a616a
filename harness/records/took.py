"""What work takes: seconds, and those of processors."""

from typing import NamedTuple


class Took(NamedTuple):
    """What work took."""

    seconds: float
    cpu_seconds: float
    """Of processors, all threads added."""

    def with_(self, other: "Took", times: float = 1.0) -> "Took":
        """Return this and so many times another one."""
        return Took(self.seconds + times * other.seconds, self.cpu_seconds + times * other.cpu_seconds)


NOTHING = Took(0.0, 0.0)
