"""How far an attack's loops have come, for whoever watches: no number of the attack depends on it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

Hear = Callable[[int, int], None]
"""Told the steps that a loop has begun, >= 1, and how many it has at most."""


def _nobody(step: int, total: int) -> None:
    """Watch nothing."""


_HEARD: ContextVar[Hear] = ContextVar("heard", default=_nobody)


def counted(steps: Sequence[T]) -> Iterator[T]:
    """Yield what a loop runs over, such as a ``range``, and tell whoever watches how far it is."""
    hear = _HEARD.get()
    for number, step in enumerate(steps, start=1):
        hear(number, len(steps))
        yield step


@contextlib.contextmanager
def heard(hear: Hear) -> Iterator[None]:
    """Let ``hear`` be told of every counted loop that begins in this thread while the body runs."""
    token = _HEARD.set(hear)
    try:
        yield
    finally:
        _HEARD.reset(token)
