"""Trainings that outlive the process that began them: whoever keeps their states lets them go on, bit for bit."""

import contextlib
from collections.abc import Callable, Container, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import torch

from attacks.counted import counted

State = dict[str, Any]
"""Tensors, numbers, and lists and dicts of these."""


class Course(NamedTuple):
    """What a loop changes."""

    state: Callable[[], State]
    """Returns all of it, as it is after a step."""
    restore: Callable[[State], None]
    """Puts it back."""


class Keeper(Protocol):
    """Keeps the state of a loop."""

    def found(self) -> State | None:
        """Return the newest state; null if there is none."""

    def due(self) -> bool:
        """Say whether a state is to be kept now."""

    def keep(self, state: State) -> None:
        """Keep a state."""


_KEEPER: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


@contextlib.contextmanager
def kept_by(keeper: Keeper) -> Iterator[None]:
    """Let lasting loops that begin in this context go on from what the keeper has."""
    token = _KEEPER.set(keeper)
    try:
        yield
    finally:
        _KEEPER.reset(token)


def lasting(total: int, course: Course, kept: Container[int] = ()) -> Iterator[int]:
    """Yield the steps 1 to ``total`` of a loop, from the one after the state that was kept, where there is one.

    What comes before the loop is done again; the random generators are put back to where they were.

    Args:
        total: How many there are.
        course: What a step changes.
        kept: Steps at which more is done than at others.
    """
    keeper = _KEEPER.get()
    if keeper is None:
        yield from counted(range(1, total + 1), kept=kept)
        return
    begun, state = 0, keeper.found()
    if state is not None:
        begun = int(state["step"])
        course.restore(state["course"])
        _restore_generators(state)
    for step in counted(range(begun + 1, total + 1), kept=kept):
        yield step
        if keeper.due():
            keeper.keep({"step": step, "course": course.state()} | _generators())


def _generators() -> State:
    cuda = {"cuda_rng": torch.cuda.get_rng_state_all()} if torch.cuda.is_initialized() else {}
    return {"cpu_rng": torch.get_rng_state()} | cuda


def _restore_generators(state: State) -> None:
    torch.set_rng_state(state["cpu_rng"].cpu())
    if "cuda_rng" in state and torch.cuda.is_initialized():
        torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda_rng"]])
