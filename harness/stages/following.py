"""Work that cannot yield, such as an attack's fit, followed step by step while it runs."""

import contextvars
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


def followed(job: str, work: Callable[[], T]) -> Generator[Progress, None, T]:
    """Do work in a thread beside this one, which does nothing meanwhile but yield how far it is; return its value.

    Its numbers are those that it would have here: torch's seeds and number of threads are the process's, and what the
    job reserved holds in that thread, too.
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
                end.set_result(work())
        except BaseException as error:  # whatever it is, it is raised where the value is asked for
            end.set_exception(error)
        finally:
            said.put(None)

    threading.Thread(target=contextvars.copy_context().run, args=(worked,), name=job, daemon=True).start()
    while (progress := said.get()) is not None:
        yield progress
    return end.result()
