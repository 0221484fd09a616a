"""Work that is followed while it runs: an attack's steps come as progress, its numbers and errors as without it."""

import threading
import time

import pytest
import torch

from attacks.counted import counted, heard
from harness.records.progress import Progress
from harness.stages import following
from harness.stages.following import Over, end_thread, followed
from harness.stages.jobs import drain


def test_steps_are_told_while_the_work_runs_and_never_as_if_it_were_done(monkeypatch):
    monkeypatch.setattr(following, "EVERY_SECONDS", 0.0)
    told, heard_first = [], threading.Event()

    def work() -> int:
        for step in counted(range(3)):
            if step == 1:
                assert heard_first.wait(10), "the first step is told before the second is over"
        return 7

    def tell(progress: Progress) -> None:
        told.append(progress)
        heard_first.set()

    assert drain(followed("decoder-quick-0", work), tell) == 7
    assert told == [Progress("decoder-quick-0", 1, 3), Progress("decoder-quick-0", 2, 3)]


def test_work_that_says_much_is_passed_on_now_and_then():
    told = []
    drain(followed("rmle-quick-0", lambda: sum(counted(range(10_000)))), told.append)
    assert told == [Progress("rmle-quick-0", 1, 10_000)]


def test_an_error_is_raised_where_the_work_was_asked_for():
    def work() -> None:
        raise FloatingPointError("not finite")

    with pytest.raises(FloatingPointError, match="not finite"):
        drain(followed("rmle-quick-0", work), lambda progress: None)


def test_work_that_nobody_waits_for_any_more_is_over_at_its_next_step():
    begun, steps = threading.Event(), []

    def work() -> None:
        for step in counted(range(10_000)):
            steps.append(step)
            time.sleep(0.01)

    def follow() -> None:
        with pytest.raises(Over):
            drain(followed("work", work), lambda progress: begun.set())

    follower = threading.Thread(target=follow)
    follower.start()
    assert begun.wait(10)
    end_thread(follower)
    assert not follower.is_alive()
    assert "work" not in [thread.name for thread in threading.enumerate()]
    assert len(steps) < 1000


def test_a_thread_has_the_numbers_and_the_threads_of_its_process():
    def drawn() -> tuple[list[float], int]:
        torch.manual_seed(3)
        return (torch.randn(64, 64) @ torch.randn(64, 64)).sum(1).tolist(), torch.get_num_threads()

    assert drain(followed("dip-quick-0", drawn), lambda progress: None) == drawn()


def test_what_is_counted_is_what_runs_and_nobody_need_listen():
    told = []
    with heard(lambda step, total: told.append((step, total))):
        assert list(counted(range(5, 7))) == [5, 6]
    assert told == [(1, 2), (2, 2)]
    assert list(counted("ab")) == ["a", "b"]
    assert told == [(1, 2), (2, 2)]
