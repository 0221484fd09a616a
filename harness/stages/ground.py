"""The ground every stage of a trial stands on: device, threads, seeds, and a measure of what it cost."""

import contextlib
import functools
import importlib.metadata
import os
import random
import resource
import socket
import subprocess
from pathlib import Path

import numpy
import torch

from harness import __version__
from harness.records import Asked, Circumstances, Precision, Shared, Software, derive
from harness.stages.site import Site, device_name, pick_device
from harness.stages.spent import Spent, Stopwatch

RECORDED_PACKAGES = ("torch", "torchvision", "torchmetrics", "ray", "optuna", "scikit-image", "numpy")

UNKNOWN = "unknown"
"""Device of a job that never gave a sign."""


def prepare(asked: Asked, kind: str, *names: str | int) -> torch.device:
    """Set the threads and the seeds of a stage, so that it gives the same numbers in any process; return its device."""
    return settle(asked.threads[kind], derive(asked.seed, kind, *names))


def settle(threads: int, seed: int) -> torch.device:
    """Set the threads and the seeds of this process; return its device."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    seed_everything(seed)
    return pick_device()


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
        self._watch = Stopwatch()
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
        spent = self._watch.read()._replace(peak_memory_bytes=peak)
        return circumstances(spent, self._shared, self._kind, self._driver)


def circumstances(spent: Spent, shared: Shared, kind: str, driver: Software | None) -> Circumstances:
    """Return what a job of a kind cost, and where and by which software; of a job elsewhere the latter is not known."""
    here = spent.site is not None and spent.site.node == socket.gethostname()
    own = software() if here else Software(packages={}, commit=None)
    others = driver.packages if driver and here else {}
    return Circumstances(
        started=spent.started,
        seconds=spent.seconds,
        peak_memory_bytes=spent.peak_memory_bytes,
        device=spent.site.device if spent.site else UNKNOWN,
        precision=shared.precision,
        threads=shared.threads[kind],
        packages=own.packages,
        commit=own.commit or (driver.commit if driver else None),
        node=spent.site.node if spent.site else None,
        driver={name: version for name, version in others.items() if own.packages.get(name) != version},
    )


def software() -> Software:
    """Return the code that runs in this process."""
    return Software(packages=packages(), commit=commit())


@functools.cache
def packages() -> dict[str, str]:
    """Return the versions that a number rests on."""
    return {"invfront": __version__} | {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES}


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
