"""Buffers that a step frees are there for the next one, in every thread, and are given back between jobs."""

import resource
import threading

import psutil
import pytest
import torch

from harness.stages.heap import IS_GLIBC, give_back, keep_freed

pytestmark = pytest.mark.skipif(not IS_GLIBC, reason="the C library is not glibc, whose heap this is about")

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
    keep_freed()
    assert min(_steps()) < PAGES / 20


def test_so_it_is_in_a_thread_of_its_own():
    keep_freed()
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.extend(_steps()))
    thread.start()
    thread.join()
    assert min(seen) < PAGES / 20


def test_what_is_kept_is_given_back_between_jobs():
    keep_freed()
    _step()
    before = psutil.Process().memory_info().rss
    give_back()
    assert before - psutil.Process().memory_info().rss > 0.9 * 4 * FLOATS
