"""Work that cannot yield, such as an attack's fit, followed step by step while it runs."""

import contextlib
import contextvars
import ctypes
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar

from attacks.counted import heard
from harness.records import Progress

T = TypeVar("T")

EVERY_SECONDS = 2.0
"""Least time between two words on how far it is: each costs the driver some milliseconds."""

END_SECONDS = 10.0
"""Longest wait for a thread that is told to end: a single operation of torch may take seconds."""


class Over(BaseException):
    """Raised in a thread whose work nobody waits for any more."""


def end_thread(thread: threading.Thread, seconds: float = END_SECONDS) -> None:
    """End a thread at its next step, and wait for that: one that is within torch when its process ends would abort it.

    Args:
        thread: The thread.
        seconds: That it is waited for at most.
    """
    if thread.is_alive() and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Over))
        thread.join(seconds)


def followed(job: str, work: Callable[[], T]) -> Generator[Progress, None, T]:
    """Do work in a thread beside this one, which does nothing meanwhile but yield how far it is; return its value.

    Its numbers are those that it would have here: torch's seeds and number of threads are the process's, and what the
    job reserved holds in that thread, too. It ends at its next step where this thread ends before it.
    """
    said: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
    end: Future[T] = Future()
    last = time.monotonic() - EVERY_SECONDS  # the first step is told at once

    def hear(step: int, total: int) -> None:
        nonlocal last
        if step < total and time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            said.put(Progress(job, step, total))

    def worked() -> None:
        try:
            with heard(hear):
                value = work()
        except BaseException as error:  # whatever it is, it is raised where the value is asked for
            end.set_exception(error)
        else:
            end.set_result(value)
        said.put(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(worked,), name=job, daemon=True)
    try:
        thread.start()
        while (progress := _next(said)) is not None:
            yield progress
    except BaseException:
        end_thread(thread)
        raise
    return end.result()


def _next(said: queue.SimpleQueue[Progress | None]) -> Progress | None:
    """Return what is said next; only a thread that wakes now and then can be told to end."""
    while True:
        with contextlib.suppress(queue.Empty):
            return said.get(timeout=1.0)
