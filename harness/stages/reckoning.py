"""What work takes whose loops run a few of their steps: the others are reckoned from those."""

import statistics
import time
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TypeVar

import torch

from harness.records.took import NOTHING, Took

T = TypeVar("T")


def now() -> Took:
    """Return this process's times now, once its GPU has done what it was told."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return Took(time.perf_counter(), time.process_time())


class Reckoning:
    """Lets counted loops run some of their steps, and reckons what the others would have taken.

    A step that is run is the first, the last, or among the first so many; and every one at which a loop does more than
    at others. What a step of the common kind takes is the median of those after the first.

    Args:
        most: Steps of the common kind that a loop runs, >= 2.
        until: The clock's seconds from which on loops run as few as they can.
        clock: Returns the times now.
    """

    def __init__(self, most: int, until: float = float("inf"), clock: Callable[[], Took] = now) -> None:
        self._most, self._until, self._clock = most, until, clock
        self._left_out = NOTHING

    def now(self) -> Took:
        """Return the times now as if no step had been left out."""
        return self._clock().with_(self._left_out)

    def __call__(self, steps: Sequence[T], kept: Container[T]) -> Iterator[T]:
        """Yield the steps that are run."""
        common: list[Took] = []
        missed = 0
        try:
            for number, step in enumerate(steps, start=1):
                most = self._most if self._clock().seconds < self._until else 2
                if not (number <= most or number == len(steps) or step in kept):
                    missed += 1
                    continue
                begun = self.now()
                yield step
                if step not in kept and number < len(steps):
                    common.append(self.now().with_(begun, -1.0))
        finally:
            if missed and common:
                each = Took(*map(statistics.median, zip(*(common[1:] or common), strict=True)))
                self._left_out = self._left_out.with_(each, missed)
