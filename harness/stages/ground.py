"""The ground every stage of a trial stands on: device, threads, seeds, and a measure of what it cost."""

import contextlib
import functools
import importlib.metadata
import os
import random
import resource
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy
import torch

from harness import __version__
from harness.records import Asked, Circumstances, derive

RECORDED = ("torch", "torchvision", "torchmetrics", "ray", "optuna", "scikit-image", "numpy")


def pick_device() -> torch.device:
    """Return the accelerator that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def prepare(asked: Asked, kind: str, *names: str | int) -> torch.device:
    """Set the threads and the seeds of a stage, so that it gives the same numbers in any process; return its device."""
    torch.set_num_threads(asked.threads[kind])
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    seed_everything(derive(asked.seed, kind, *names))
    return pick_device()


def precision(asked: Asked) -> torch.dtype:
    """Return the type that autocast uses in this trial."""
    return torch.bfloat16 if asked.precision == "bfloat16" else torch.float32


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class Meter:
    """Measures a stage from its construction on."""

    def __init__(self, asked: Asked, kind: str, device: torch.device) -> None:
        self._asked, self._kind, self._device = asked, kind, device
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._start = time.monotonic()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> Circumstances:
        """Return what the stage cost so far.

        The peak memory is the device's on CUDA; on the CPU it is the whole process's since it started, earlier jobs of
        a reused worker included.
        """
        if self._device.type == "cuda":
            device, peak = torch.cuda.get_device_name(self._device), torch.cuda.max_memory_allocated(self._device)
        else:
            device, peak = "cpu", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Circumstances(
            started=self._started,
            seconds=round(time.monotonic() - self._start, 3),
            peak_memory_bytes=peak,
            device=device,
            precision=self._asked.precision,
            threads=self._asked.threads[self._kind],
            packages=packages(),
            commit=commit(),
        )


@functools.cache
def packages() -> dict[str, str]:
    """Return the versions that a number rests on."""
    return {"invfront": __version__} | {name: importlib.metadata.version(name) for name in RECORDED}


@functools.cache
def commit() -> str | None:
    """Return the commit of a source checkout, with ``+`` if it was changed since; null for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        run = functools.partial(
            subprocess.run,
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
        head = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        return head + ("+" if run(["git", "status", "--porcelain", "-uno"]).stdout else "")
    return None
