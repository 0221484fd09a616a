"""What a job cost, where it ran, and by which software: what may differ when it is repeated."""

import contextlib
import functools
import importlib.metadata
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import __version__
from harness.records import Circumstances, Shared, Software
from harness.stages.spent import Spent

RECORDED_PACKAGES = ("torch", "torchvision", "torchmetrics", "ray", "optuna", "scikit-image", "numpy")

UNKNOWN = "unknown"
"""Device of a job that never gave a sign."""


def circumstances(spent: Spent, shared: Shared, kind: str, driver: Software | None) -> Circumstances:
    """Return what a job of a kind cost, and where and by which software; of a job elsewhere the latter is not known."""
    here = spent.site is not None and spent.site.node == socket.gethostname()
    own = software() if here else Software(packages={}, commit=None)
    others = driver.packages if driver and here else {}
    return Circumstances(
        started=spent.started,
        seconds=spent.seconds,
        cpu_seconds=spent.cpu_seconds,
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
    return {"invfront": __version__} | dict(_installed(RECORDED_PACKAGES))


def _installed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield names and versions of packages; a trial in one process needs no scheduler, so its machine may have none."""
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


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
