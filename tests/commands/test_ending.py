"""Whatever signal ends work, once or more often, it ends as Ctrl-C ends it, and says by what."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from harness.cli import main
from harness.commands import ending
from harness.commands.ending import SIGNALS, interruptible, terminable
from harness.driver.faults import resumable, resume_of
from harness.errors import Interrupted


@pytest.fixture(autouse=True)
def heard():
    before = {each: signal.signal(each, signal.SIG_DFL) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def working(root, steps):
    with terminable(lambda: "go on"), resumable(root, "go on"):
        steps()


@pytest.mark.parametrize("sign", SIGNALS)
def test_every_signal_ends_the_work_and_is_named(sign, tmp_path):
    before = {each: signal.getsignal(each) for each in SIGNALS}
    by = "interrupted" if sign == signal.SIGINT else f"ended by {sign.name}"
    with pytest.raises(Interrupted, match=f"^{by}; go on$"):
        working(tmp_path, lambda: os.kill(os.getpid(), sign))
    assert {each: signal.getsignal(each) for each in SIGNALS} == before


def test_a_second_signal_does_not_cut_the_ending_short(tmp_path):
    ended = []

    def steps():
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
        finally:
            for sign in SIGNALS:
                os.kill(os.getpid(), sign)
            ended.append("workers gone, run killed")

    with pytest.raises(Interrupted, match="ended by SIGUSR1"):
        working(tmp_path, steps)
    assert ended == ["workers gone, run killed"]


class Finalised:
    """Is interrupted where Python lets no exception out."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.001)


def clear():
    with contextlib.suppress(BaseException):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.001)


@pytest.mark.parametrize("lose", [Finalised, clear])
@pytest.mark.parametrize("body", [lambda: interruptible(), lambda: terminable(lambda: "go on")])
def test_an_interrupt_that_is_lost_in_a_finaliser_or_in_a_package_comes_again(body, lose, capsys, monkeypatch):
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.1)

    def steps():
        lose()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt), body():
        steps()
    assert capsys.readouterr().err == ""


def test_a_command_that_ends_is_interrupted_once(capsys):
    said = []

    def steps():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            for sign in SIGNALS:
                os.kill(os.getpid(), sign)
            said.append("its one line")

    with pytest.raises(KeyboardInterrupt), interruptible():
        steps()
    assert said == ["its one line"]


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    working(tmp_path, lambda: os.kill(os.getpid(), signal.SIGHUP))


def test_work_that_ends_by_itself_is_not_cut_off_afterwards(tmp_path):
    working(tmp_path, lambda: None)
    assert {each: signal.getsignal(each) for each in SIGNALS} == dict.fromkeys(SIGNALS, signal.SIG_DFL)


def test_why_work_could_not_go_on_is_said_whatever_fails_while_it_ends():
    def ends():
        with terminable(lambda: "go on"):
            try:
                raise Interrupted("the disk is full; mend it")
            finally:
                raise RuntimeError("that Ray is gone")

    with pytest.raises(Interrupted, match=r"^the disk is full; mend it$"):
        ends()


def test_what_fails_while_interrupted_work_ends_is_told_and_is_no_failure_of_the_work(tmp_path, caplog):
    def steps():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise RuntimeError("that Ray is gone")

    with pytest.raises(Interrupted, match=r"^ended by SIGTERM; go on$"):
        working(tmp_path, steps)
    assert caplog.messages == ["while the work ended: RuntimeError: that Ray is gone"]
    with pytest.raises(RuntimeError, match="a defect"), terminable(lambda: "go on"):
        raise RuntimeError("a defect")


def test_an_interrupt_names_no_folder_that_was_never_made(tmp_path):
    def stop(root):
        with resumable(root):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^interrupted; the same command starts again$"):
        stop(tmp_path / "never made")
    (tmp_path / "study.yaml").touch()
    with pytest.raises(Interrupted, match=rf"^interrupted; go on with `invfront resume {tmp_path}`$"):
        stop(tmp_path)


@pytest.mark.parametrize("sign", SIGNALS)
def test_a_command_is_interrupted_by_every_signal_before_its_work_begins(sign, monkeypatch, capsys):
    monkeypatch.setattr("harness.ledger.find_study", lambda path: os.kill(os.getpid(), sign))
    assert main(["status", "runs"]) == 130
    assert capsys.readouterr().err == "invfront: interrupted; the same command starts again\n"
    assert signal.getsignal(sign) == signal.SIG_DFL


def test_a_signal_that_a_command_was_told_to_ignore_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)


def test_signals_after_the_end_change_neither_exit_code_nor_output():
    """Not even while the interpreter itself ends, when no handler of Python's is there any more."""
    code = (
        "from harness.commands.ending import end_with; end_with(130); print('said', flush=True); raise SystemExit(130)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"said\n"
        while process.poll() is None:
            for sign in SIGNALS:
                process.send_signal(sign)
        assert (process.returncode, process.stderr.read()) == (130, b"")


def test_a_process_that_is_held_up_after_its_end_ends_within_seconds():
    code = (
        "import threading; from harness.commands import ending; ending.ENDING_SECONDS = 0.2; ending.end_with(130)\n"
        "threading.Thread(target=threading.Event().wait).start()"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 130


def test_ending_while_ray_starts_says_what_there_is_to_go_on_with(tmp_path):
    """Ray then has a handler of its own for SIGTERM, which exits."""
    with (
        pytest.raises(Interrupted, match=r"^ended by SIGTERM; the same command starts again$"),
        terminable(lambda: resume_of(tmp_path)),
    ):
        sys.exit(signal.SIGTERM)
