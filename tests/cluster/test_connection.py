"""Waits for a cluster are bounded and said, and signals stay a driver's own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cluster.connection import HIDING, _environment, cluster
from harness.cluster.scheduling import _Listener
from harness.errors import UserError

WAIT = (
    "import sys; from harness.cluster import connection; connection.CONNECT_SECONDS, connection.HEAD_SECONDS = 1, 3\n"
)
WAIT += "with connection.cluster(sys.argv[1], 'farewell'): print('connected')"


def test_a_head_at_which_nothing_listens_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(UserError, match=rf"^--address {address}: .*refused.*is that cluster's head up\?"),
        cluster(address, "farewell"),
    ):
        pass


def test_a_clusters_jobs_that_reserve_no_gpu_are_told_to_see_none():
    assert _environment("auto", [])["env_vars"] == HIDING == {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}


@pytest.mark.ray
def test_a_head_that_does_not_answer_is_waited_for_so_long_and_no_longer():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", WAIT, address]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    last = done.stderr.strip().splitlines()[-1]
    assert (done.returncode, done.stdout) == (2, "")
    assert last == f"invfront: --address {address}: the head does not answer for 3 s; is it up, and is it Ray's?"
    assert f"waiting for the Ray head at {address}" in done.stderr


@pytest.mark.ray
def test_sigterm_is_heard_while_a_local_ray_ends_and_afterwards():
    code = (
        "import os, signal, threading, time; from harness.cluster import cluster; heard = []\n"
        "from harness.commands.environment import quiet; quiet(None)\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number)); over = threading.Event()\n"
        "def send():\n    while not over.wait(0.05): os.kill(os.getpid(), signal.SIGTERM)\n"
        "with cluster(None, 'farewell'): threading.Thread(target=send).start()\n"
        "time.sleep(0.2); over.set(); print(len(heard) > 5)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_tune_takes_no_signal_for_itself():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        listener = _Listener(lambda number, progress: None)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)  # as Tune does when it starts
        listener.setup()
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)
