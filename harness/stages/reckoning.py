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


class _Loop:
    """A loop that runs.

    Args:
        total: Its steps.
    """

    def __init__(self, total: int) -> None:
        self.left = total
        """Steps that it has not come to."""
        self.missed = 0
        """Steps that it left out."""
        self.common: list[Took] = []
        """What those of the common kind took that it ran."""

    def each(self) -> Took | None:
        """Return what a step of the common kind takes; null where none is over."""
        if not self.common:
            return None
        return Took(*map(statistics.median, zip(*(self.common[1:] or self.common), strict=True)))


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
        self._running: list[_Loop] = []

    def now(self) -> Took:
        """Return the times now as if no step had been left out."""
        return self._clock().with_(self._left_out)

    def foreseen(self) -> Took | None:
        """Return the times at which the loops that run now would be over, were their steps all of the common kind.

        Null where none of them has ended a step.
        """
        times, told = self.now(), False
        for loop in list(self._running):
            if (each := loop.each()) is not None:
                times, told = times.with_(each, loop.missed + loop.left), True
        return times if told else None

    def __call__(self, steps: Sequence[T], kept: Container[T]) -> Iterator[T]:
        """Yield the steps that are run."""
        loop = _Loop(len(steps))
        self._running.append(loop)
        try:
            for number, step in enumerate(steps, start=1):
                loop.left -= 1
                most = self._most if self._clock().seconds < self._until else 2
                if not (number <= most or number == len(steps) or step in kept):
                    loop.missed += 1
                    continue
                begun = self.now()
                yield step
                if step not in kept and number < len(steps):
                    loop.common.append(self.now().with_(begun, -1.0))
        finally:
            self._running.remove(loop)
            if loop.missed and (each := loop.each()) is not None:
                self._left_out = self._left_out.with_(each, loop.missed)
