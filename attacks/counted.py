"""How far an attack's loops have come, for whoever watches: no number of the attack depends on it.

Whoever wants to know what an attack takes, and not what it finds, lets its loops run a few of their steps.
"""

import contextlib
from collections.abc import Callable, Container, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

Hear = Callable[[int, int], None]
"""Told the steps that a loop has begun, >= 1, and how many it has at most."""


def _nobody(step: int, total: int) -> None:
    """Watch nothing."""


_HEARD: ContextVar[Hear] = ContextVar("heard", default=_nobody)


Skip = Callable[[Sequence[T], Container[T]], Iterator[T]]
"""Yields some of a loop's steps, all that are kept among them."""

_SKIPPING: ContextVar[Skip[Any] | None] = ContextVar("skipping", default=None)


def counted(steps: Sequence[T], kept: Container[T] = (), told: bool = True) -> Iterator[T]:
    """Yield what a loop runs over, such as a ``range``, and tell whoever watches how far it is.

    Args:
        steps: What it runs over.
        kept: Steps at which more is done than at others.
        told: Whether whoever watches is told; a loop within a loop need not be.
    """
    if (skip := _SKIPPING.get()) is not None:
        yield from skip(steps, kept)
        return
    hear = _HEARD.get() if told else _nobody
    for number, step in enumerate(steps, start=1):
        hear(number, len(steps))
        yield step


@contextlib.contextmanager
def skipping(skip: Skip[Any]) -> Iterator[None]:
    """Let counted loops that begin in this context run those of their steps alone that ``skip`` yields."""
    token = _SKIPPING.set(skip)
    try:
        yield
    finally:
        _SKIPPING.reset(token)


@contextlib.contextmanager
def heard(hear: Hear) -> Iterator[None]:
    """Let ``hear`` be told of every counted loop that begins in this thread while the body runs."""
    token = _HEARD.set(hear)
    try:
        yield
    finally:
        _HEARD.reset(token)
