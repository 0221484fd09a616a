"""The ground of all tests: set before torch is imported, so that neighbours on the machine do not stall them."""

import os
import signal
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """One thread for each test: a second one gains little and, beside other work, loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def heard() -> Iterator[None]:
    """Let a command hear SIGINT even where the tests run in the background of a shell, which mutes it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
