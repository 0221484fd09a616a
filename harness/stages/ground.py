"""The ground every stage of a trial stands on: device, threads, seeds, and a measure of what it cost."""

import os
import random
import resource
import socket
import time

import numpy
import torch

from harness.records import Asked, Circumstances, Precision, Shared, Software, derive
from harness.stages.circumstances import circumstances
from harness.stages.device import device_name, pick_device
from harness.stages.heap import keep_freed
from harness.stages.spent import Site, Stopwatch


def prepare(asked: Asked, kind: str, *names: str | int) -> torch.device:
    """Set the threads and the seeds of a stage, so that it gives the same numbers in any process; return its device."""
    return settle(asked.threads[kind], derive(asked.seed, kind, *names))


def settle(threads: int, seed: int) -> torch.device:
    """Set the threads and the seeds of this process; return its device."""
    torch.set_num_threads(threads)
    device = pick_device()
    if device.type == "cuda":
        _repeatable()
    else:
        keep_freed()
    seed_everything(seed)
    return device


def _repeatable() -> None:
    """Make CUDA give the same numbers every time, and float32's where a record says float32, not TF32's.

    What has no such form there is told of by a warning, which an attempt's log holds.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the type that autocast uses in a precision."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class Meter:
    """Measures a stage from its construction on.

    Args:
        shared: What the stage runs under.
        kind: ``train`` or ``attack``.
        device: What it runs on.
        driver: The driver's software; null where it is this process's own.
    """

    def __init__(self, shared: Shared, kind: str, device: torch.device, driver: Software | None) -> None:
        self._shared, self._kind, self._device, self._driver = shared, kind, device, driver
        self._watch, self._cpu = Stopwatch(), time.process_time()
        self._watch.start(Site(socket.gethostname(), device_name(device)))
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> Circumstances:
        """Return what the stage cost so far.

        The peak memory is the device's on CUDA; on the CPU it is the whole process's since it started, earlier jobs of
        a reused worker included.
        """
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        spent = self._watch.read()._replace(peak_memory_bytes=peak, cpu_seconds=self._cpu_seconds())
        return circumstances(spent, self._shared, self._kind, self._driver)

    def _cpu_seconds(self) -> float:
        return round(time.process_time() - self._cpu, 3)
