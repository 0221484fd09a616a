"""Whatever signal ends work, once or more often, it ends as Ctrl-C ends it, and says by what."""

import os
import signal

import pytest

from harness.commands.ending import SIGNALS, terminable
from harness.driver.faults import resumable
from harness.errors import Interrupted


@pytest.fixture(autouse=True)
def heard():
    before = {each: signal.signal(each, signal.SIG_DFL) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def working(root, steps):
    with terminable("go on"), resumable(root, "go on"):
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


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    working(tmp_path, lambda: os.kill(os.getpid(), signal.SIGHUP))


def test_work_that_ends_by_itself_is_not_cut_off_afterwards(tmp_path):
    working(tmp_path, lambda: None)
    assert {each: signal.getsignal(each) for each in SIGNALS} == dict.fromkeys(SIGNALS, signal.SIG_DFL)


def test_an_interrupt_names_no_folder_that_was_never_made(tmp_path):
    def stop(root):
        with resumable(root):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^interrupted; the same command starts again$"):
        stop(tmp_path / "never made")
    (tmp_path / "study.yaml").touch()
    with pytest.raises(Interrupted, match=rf"^interrupted; go on with `invfront resume {tmp_path}`$"):
        stop(tmp_path)
