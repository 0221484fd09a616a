"""Waits for a cluster are bounded and said; temporary files lie where the user wants them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.cluster.connection import LONGEST_PARENT, cluster, scratch
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


@pytest.fixture
def temporary(monkeypatch):
    """Lets a test choose ``TMPDIR``."""

    def choose(folder):
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)

    return choose


def test_tmpdir_is_honoured(temporary, tmp_path):
    temporary(tmp_path)
    with scratch() as folder:
        assert Path(folder).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_tmpdir_that_is_too_long_for_sockets_is_left_with_a_word(temporary, tmp_path, caplog):
    long = tmp_path / ("x" * LONGEST_PARENT)
    long.mkdir()
    temporary(long)
    with scratch(sockets=True) as folder:
        assert Path(folder).parent == Path("/tmp")
    assert f"TMPDIR {long} is too long for Ray's sockets ({LONGEST_PARENT} characters at most)" in caplog.text


def test_tune_takes_no_signal_for_itself():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        listener = _Listener(lambda number, progress: None)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)  # as Tune does when it starts
        listener.setup()
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)
