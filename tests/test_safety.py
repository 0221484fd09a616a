"""A local study listens on loopback only, and ends cleanly when it is interrupted."""

import contextlib
import ipaddress
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.ray

SPACE = """
name: safe
data: {name: digits}
model: {width: 0.125, sigma: 0.1}
train: {recipe: fast, epochs: 200, batch_size: 64}
defense: {none: {}}
attacks: {decoder: quick}
search: {trials: 2}
"""


def listeners(driver: psutil.Process) -> list[str]:
    """The addresses on which a process and its descendants listen."""
    pids = {driver.pid, *(process.pid for process in driver.children(recursive=True))}
    sockets = (socket for socket in psutil.net_connections("inet") if socket.pid in pids)
    found = [socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN]
    return [address.removeprefix("::ffff:") for address in found]


def started(tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A driver whose first trial trains, and its study's directory."""
    space, root = tmp_path / "safe.yaml", tmp_path / "runs" / "safe"
    space.write_text(SPACE)
    command = [sys.executable, "-m", "harness.cli", "run", str(space), "--out", str(tmp_path / "runs")]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list(root.glob("trials/*/attempt-1")) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    return driver, root


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("heard")
def test_a_local_study_listens_on_loopback_only_and_however_often_it_is_told_to_end_it_ends_well(tmp_path):
    driver, root = started(tmp_path)
    addresses = listeners(psutil.Process(driver.pid))
    family = psutil.Process(driver.pid).children(recursive=True)
    for sign in (signal.SIGUSR1, signal.SIGINT, signal.SIGINT):  # the first is what Slurm sends before a time limit
        driver.send_signal(sign)
        time.sleep(0.1)
    _, errors = driver.communicate(timeout=120)
    assert psutil.wait_procs(family, timeout=20)[1] == []
    with contextlib.closing(sqlite3.connect(tmp_path / "runs" / "mlflow.db")) as tracked:
        assert tracked.execute("SELECT status FROM runs WHERE name = 'safe'").fetchall() == [("KILLED",)]
    assert addresses
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses), addresses
    assert driver.returncode == 130
    assert errors.strip().splitlines()[-1] == f"invfront: ended by SIGUSR1; go on with `invfront resume {root}`"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("server", ["raylet", "gcs_server"])
def test_a_driver_whose_ray_dies_ends_like_an_interrupt(tmp_path, server):
    driver, root = started(tmp_path)
    family = psutil.Process(driver.pid).children(recursive=True)
    for process in family:
        if process.name() == server:
            process.kill()
    _, errors = driver.communicate(timeout=60)
    psutil.wait_procs(family, timeout=60)
    assert driver.returncode == 130
    assert errors.strip().splitlines()[-1] == f"invfront: the local Ray died; go on with `invfront resume {root}`"
