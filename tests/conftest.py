"""The ground of all tests: set before torch is imported, so that neighbours on the machine do not stall them."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

CACHE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give all tests an image cache of their own, which goes with them; whoever tests it makes another one."""
    config.stash[CACHE] = ""
    if not hasattr(config, "workerinput"):
        config.stash[CACHE] = os.environ["INVFRONT_CACHE"] = tempfile.mkdtemp(prefix="invfront-images-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if config.stash[CACHE]:
        shutil.rmtree(config.stash[CACHE], ignore_errors=True)


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
