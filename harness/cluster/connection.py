"""The Ray that a study runs on: a cluster's, or a local one on loopback that leaves nothing behind."""

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray

from harness.cluster.scratch import scratch, token
from harness.errors import INTERRUPTED, MEND, UserError
from harness.plugins import Package, travelling
from harness.records import one_line

_LOG = logging.getLogger(__name__)

CONNECT_SECONDS, HEAD_SECONDS = 10.0, 60.0
"""Longest waits for a cluster's head: until something listens, and until it has answered."""

SERVERS = ("raylet", "gcs_server")
"""Processes of a local Ray without which it is dead."""

WATCH_SECONDS = 0.1

KEEP_SECONDS = 0.001
"""Longest time that SIGTERM is not heard while Ray ends."""

STORE_BYTES = 200 * 2**20
"""A local Ray's object store: jobs exchange files, not objects."""

WARM = {"idle_worker_killing_time_threshold_ms": 10_000}
"""How a local Ray is set up: by itself it ends a worker that has been idle for a second, where there are more than
processors; the next job of a trial would start one, which takes seconds."""

HIDING = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
"""Hides a node's GPUs from jobs that reserve none."""

OWN_PACKAGES = tuple(map(Package, ("harness", "search_spaces", "defenses", "attacks", "reports")))

LEFT_OUT = [".git/", "__pycache__/", "*.pyc", ".venv/", ".mypy_cache/", ".pytest_cache/"]
"""What of a package's folder does not travel."""

CLIENT = "ray://"
"""How an address of Ray's client begins, through which no trial can be scheduled."""


@contextlib.contextmanager
def cluster(
    address: str | None,
    farewell: str,
    packages: Sequence[Package] = OWN_PACKAGES,
    last: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Connect to a cluster, or start a local Ray whose files go when it ends.

    Args:
        address: The cluster's; null starts a local Ray.
        packages: What travels to a cluster's nodes, plug-ins included.
        farewell: What a driver says on its last line when its local Ray dies under it.
        last: What is done before that, in another thread.

    Raises:
        UserError: the cluster refuses, or its head cannot be reached.
    """
    before = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with contextlib.ExitStack() as ending:
        if address is not None:
            environment = _environment(address, packages)
            ending.callback(_shut_down)
            try:
                with _answering(address):
                    ray.init(address=address, runtime_env=environment, **quiet)
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise UserError(
                    f"--address {address}: {one_line(error)[:200]}; is that cluster's head up? One whose machine has a "
                    "~/.ray/auth_token asks for it: have the same file here, and set RAY_AUTH_MODE=token"
                ) from error
        else:
            temporary = ending.enter_context(scratch(sockets=True))
            ending.enter_context(token(temporary))
            ending.callback(_shut_down)
            ray.init(
                address="local", include_dashboard=False, object_store_memory=STORE_BYTES, _temp_dir=temporary,
                _system_config=WARM, **quiet,
            )  # fmt: skip
            with contextlib.suppress(OSError, RuntimeError):
                (Path.home() / ".ray" / "auth_token").chmod(0o600)
            ending.enter_context(_fate_shared(farewell, temporary, last))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes the signal for itself, and aborts the process
        yield


def _environment(address: str, packages: Sequence[Package]) -> dict[str, Any]:
    """Return what a cluster's workers are given; raises UserError for what cannot be."""
    if address.startswith(CLIENT):
        head = address.removeprefix(CLIENT).split(":")[0] or "host"
        raise UserError(
            f"--address {address}: Ray's client schedules no trials; on a machine of the cluster take auto, or the "
            f"head's own port as {head}:6379"
        )
    try:
        modules = [str(place) for package in packages for place in travelling(package)]
    except ValueError as error:
        raise UserError(f"--address {address}: {error}") from error
    return {"py_modules": modules, "env_vars": HIDING, "excludes": LEFT_OUT}


def _shut_down() -> None:
    """End this process's part of Ray, which on its way lets SIGTERM end the process at once, behind Python's back."""
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = put.restype = ctypes.c_void_p
    get.argtypes, put.argtypes = [ctypes.c_int], [ctypes.c_int, ctypes.c_void_p]
    heard, over = get(signal.SIGTERM), threading.Event()

    def keep() -> None:
        while not over.wait(KEEP_SECONDS):
            put(signal.SIGTERM, heard)

    keeping = threading.Thread(target=keep, daemon=True)
    keeping.start()
    try:
        ray.shutdown()
    finally:
        over.set()
        keeping.join()
        put(signal.SIGTERM, heard)


@contextlib.contextmanager
def _fate_shared(farewell: str, temporary: str, last: Callable[[], None]) -> Iterator[None]:
    """End this process like an interrupt when the local Ray dies: Ray itself would abort it, later and at length."""
    servers = [child for child in psutil.Process().children() if child.name() in SERVERS]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_SECONDS):
            if not all(_alive(server) for server in servers):
                with contextlib.suppress(Exception):
                    last()
                shutil.rmtree(temporary, ignore_errors=True)
                _leave(farewell, INTERRUPTED)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


@contextlib.contextmanager
def _answering(address: str) -> Iterator[None]:
    """Bound the wait for a cluster's head while the body connects; Ray itself waits without end for one that hangs.

    Raises:
        OSError: nothing listens there.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    word = threading.Timer(CONNECT_SECONDS, _LOG.warning, ("waiting for the Ray head at %s", address))
    silent = f"--address {address}: the head does not answer for {HEAD_SECONDS:.0f} s; is it up, and is it Ray's?"
    end = threading.Timer(HEAD_SECONDS, _leave, (silent, MEND))
    for timer in (word, end):
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        word.cancel()
        end.cancel()


def _leave(message: str, code: int) -> None:
    """End this process with one line, whatever it waits for."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), f"invfront: {message}\n".encode())
    os._exit(code)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def nodes(without: frozenset[str] = frozenset()) -> list[dict[str, float]]:
    """Return what each node of the cluster has, but for some by the cluster's names of them."""
    return [
        {"CPU": 0.0, "GPU": 0.0} | {kind: float(amount) for kind, amount in node["Resources"].items()}
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["NodeID"] not in without
    ]
