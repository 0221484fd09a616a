"""Buffers that a step frees are there for the next one, in every thread, and are given back between jobs."""

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from harness.records import Progress
from harness.stages import Stage, call
from harness.stages.ground import settle
from harness.stages.heap import IS_GLIBC

HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
"""Says whether the kernel zeroes pages by the thousand by itself: then they tell nothing of buffers."""

pytestmark = pytest.mark.skipif(
    not IS_GLIBC or (HUGE.exists() and "[always]" in HUGE.read_text()),
    reason="the C library is not glibc, or the kernel gives it huge pages",
)

FLOATS = 12 * 2**20
"""Of a buffer of 48 MiB, which glibc by itself always maps anew."""
PAGES = FLOATS * 4 // resource.getpagesize()


def _step() -> int:
    """Fill a buffer and free it; return how many pages the kernel zeroed for that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(FLOATS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _steps() -> list[int]:
    """Take some, of which the first make the room: what is aligned leaves gaps at first."""
    return [_step() for _ in range(24)]


def test_a_buffer_that_was_freed_is_there_for_the_next_step():
    settle(1, 0)
    assert min(_steps()) < PAGES / 20


def test_so_it_is_in_a_thread_of_its_own():
    settle(1, 0)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.extend(_steps()))
    thread.start()
    thread.join()
    assert min(seen) < PAGES / 20


def _job() -> Iterator[Progress]:
    settle(1, 0)
    _step()
    return psutil.Process().memory_info().rss
    yield


def test_what_is_kept_is_given_back_between_jobs():
    (outcome,) = call(Stage(__name__, "_job"), [()], "train", lambda progress: None)
    assert outcome.value - psutil.Process().memory_info().rss > 0.9 * 4 * FLOATS
