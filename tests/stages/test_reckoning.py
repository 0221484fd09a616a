"""What loops take is reckoned from a few of their steps, as if all had been run."""

import threading

import pytest

from attacks.counted import counted, heard, skipping
from attacks.counted import counted as steps_of
from harness.records.took import Took
from harness.stages import drain
from harness.stages.device import pick_device, reserved
from harness.stages.following import followed
from harness.stages.reckoning import Reckoning


class Clock:
    """Tells what it was told that work took."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self) -> Took:
        return Took(self.seconds, self.seconds / 2)


def reckoned(work, most=5, until=float("inf")) -> tuple[float, list[int]]:
    """Return what work seems to take, and the steps that it ran."""
    clock, ran = Clock(), []
    reckoning = Reckoning(most, until, clock)
    with skipping(reckoning):
        work(clock, ran)
    now = reckoning.now()
    assert now.cpu_seconds == pytest.approx(now.seconds / 2)
    return now.seconds, ran


def even(clock, ran):
    for step in counted(range(1, 101)):
        ran.append(step)
        clock.seconds += 2.0


def with_points(clock, ran):
    for step in counted(range(1, 101), kept={50, 100}):
        ran.append(step)
        clock.seconds += 2.0 + 30.0 * (step in {50, 100})


def nested(clock, ran):
    for step in counted(range(10)):
        ran.append(step)
        for _ in counted(range(50)):
            clock.seconds += 1.0


def cut_off(clock, ran):
    for step in counted(range(1, 101)):
        ran.append(step)
        clock.seconds += 2.0
        if step > 50:
            break


def test_steps_that_are_alike_take_what_a_few_tell():
    assert reckoned(even) == (200.0, [1, 2, 3, 4, 5, 100])


def test_steps_at_which_more_is_done_are_run_and_count_once():
    assert reckoned(with_points) == (260.0, [1, 2, 3, 4, 5, 50, 100])


def test_a_loop_within_a_loop_is_reckoned_in_each_of_the_outer_ones_steps():
    assert reckoned(nested) == (500.0, [0, 1, 2, 3, 4, 9])


def test_what_a_loop_left_out_before_it_ended_early_counts():
    assert reckoned(cut_off)[0] == pytest.approx(200.0)


def test_where_a_loop_is_cut_off_all_that_it_had_before_it_is_foreseen():
    clock, seen = Clock(), []
    reckoning = Reckoning(5, clock=clock)
    with skipping(reckoning):
        for step in counted(range(1, 101)):
            seen.append(reckoning.foreseen())
            clock.seconds += 2.0
            if step == 4:
                break
    assert seen[0] is None
    assert [times.seconds for times in seen[1:]] == [2.0 + 2.0 * 98, 4.0 + 2.0 * 97, 6.0 + 2.0 * 96]
    assert reckoning.foreseen() is None


def test_the_first_step_which_prepares_the_others_is_not_taken_for_one_of_them():
    def slow_first(clock, ran):
        for step in counted(range(1, 101)):
            clock.seconds += 50.0 if step == 1 else 2.0

    assert reckoned(slow_first)[0] == 50.0 + 99 * 2.0


def test_once_time_is_up_loops_run_as_few_steps_as_they_can():
    assert reckoned(even, until=4.0)[1] == [1, 2, 100]


def test_without_a_reckoning_loops_run_all_their_steps_and_tell_of_them_unless_they_shall_not():
    told = []
    with heard(lambda step, total: told.append((step, total))):
        assert list(steps_of(range(3), kept={1})) == [0, 1, 2]
        assert list(steps_of(range(2), told=False)) == [0, 1]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_a_job_reserved_and_how_its_loops_run_hold_in_the_thread_that_does_its_work(monkeypatch):
    def refuse() -> bool:
        raise AssertionError("CUDA was asked")

    monkeypatch.setattr("torch.cuda.is_available", refuse)

    def work() -> tuple[str, int]:
        assert threading.current_thread() is not threading.main_thread()
        return pick_device().type, sum(1 for _ in counted(range(100)))

    with reserved(False), skipping(Reckoning(5)):
        assert drain(followed("job", work), lambda progress: None) == ("cpu", 6)
