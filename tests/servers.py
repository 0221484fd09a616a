"""Servers of the tests' own on loopback, which may be killed and come again: PostgreSQL, and an MLflow server."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

BINARIES = ("initdb", "postgres", "pg_isready")

PLACES = [
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    Path(shutil.which("initdb") or "/nowhere/initdb").parent,
]

USER = "postgres"
"""Who runs PostgreSQL's server where the tests run as root, which it refuses."""

COMES = 120.0
"""Seconds in which a server must come."""


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def kill_all(processes: list[psutil.Process], seconds: float = 30.0) -> None:
    """Send SIGKILL to each, and wait until all are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=seconds)


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it; none if it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def cut_off(server: "subprocess.Popen[bytes] | None") -> None:
    """End a server as a power cut does, with all that it started."""
    assert server is not None
    kill_all(tree(server.pid))
    server.wait(COMES)


def no_postgresql() -> str | None:
    """Return why no PostgreSQL of the tests' own can run here; null if it can."""
    if _binaries() is None:
        return "PostgreSQL's server is not on this machine"
    if os.geteuid() == 0 and USER not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"PostgreSQL refuses to run as root, and there is no user {USER}"
    return None


def _binaries() -> Path | None:
    return next((folder for folder in PLACES if all((folder / name).exists() for name in BINARIES)), None)


class PostgreSQL:
    """A server with a password.

    Args:
        home: An empty folder; its parents are made passable for the server's user.
    """

    def __init__(self, home: Path) -> None:
        folder = _binaries()
        assert folder is not None, no_postgresql()
        self._folder, self._home, self._port = folder, home, free_port()
        self._as_user: dict[str, Any] = {}
        self._server: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(home, USER)
            for parent in home.parents[:3]:
                if os.access(parent, os.W_OK) and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
            self._as_user = {"user": USER, "group": USER, "extra_groups": []}
        secret = home / "secret"
        secret.write_text("s3cret\n")
        secret.chmod(0o644)
        initialise = ["-D", home / "data", "-U", "invfront", "-A", "scram-sha-256", "--pwfile", secret]
        command: list[str | Path] = [folder / "initdb", *initialise]
        subprocess.run(command, check=True, capture_output=True, timeout=COMES, cwd=home, **self._as_user)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"postgresql+psycopg://invfront:s3cret@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections; what a crash left is mended by itself."""
        options = ["-p", str(self._port), "-c", "listen_addresses=127.0.0.1"]
        options += ["-c", f"unix_socket_directories={self._home}"]
        command: list[str | Path] = [self._folder / "postgres", "-D", self._home / "data", *options]
        self._server = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self._home, **self._as_user)
        ready: list[str | Path] = [self._folder / "pg_isready", "-h", "127.0.0.1", "-p", str(self._port)]
        _until(lambda: subprocess.run(ready, capture_output=True, timeout=COMES).returncode == 0, "PostgreSQL")

    def kill(self) -> None:
        """End it as a power cut does."""
        cut_off(self._server)

    def stop(self) -> None:
        """End it, and every session with it."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)  # SIGTERM would wait for the sessions
            self._server.wait(COMES)


class MLflow:
    """An MLflow server with one worker, its rows and artifacts in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self._home, self._port = home, free_port()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--backend-store-uri", f"sqlite:///{self._home / 'mlflow.db'}", "--workers", "1"]
        options += ["--artifacts-destination", str(self._home / "artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port), *options]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | quiet, start_new_session=True
            )
        _until(self._answers, "the MLflow server")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """Likewise."""
        cut_off(self._server)

    def stop(self) -> None:
        """End it."""
        if self._server is not None and self._server.poll() is None:
            self.kill()


def _until(so: Any, what: str) -> None:
    end = time.monotonic() + COMES
    while not so():
        assert time.monotonic() < end, f"{what} does not come"
        time.sleep(0.1)
