"""What `make gpu` says of what it saw."""

import subprocess
import sys

import pytest
import torch

from harness.trial import Result
from tests.gpu import GROWTH_BYTES, MIB, Job, compared, memory, needless, table
from tests.gpu_steps import Row, side_by_side, together
from tests.values import attack, record, scores


def result(mse: float = 0.02) -> Result:
    return Result(None, record(), (attack(scored=scores(mse=mse)),))


def broken(rows):
    return [row.what for row in rows if row.broken]


def test_two_runs_of_a_trial_are_the_same_or_the_number_that_differs_is_shown():
    assert broken(compared(result(), result(), exact=True)) == []
    differing = [row for row in compared(result(), result(0.03), exact=True) if row.broken]
    assert [row.what for row in differing] == ["bit for bit: scores of decoder-quick-0"]
    assert "mse=0.02" in differing[0].seen
    assert "mse=0.03" in differing[0].seen
    assert broken(compared(result(), result(0.03), exact=False)) == []


def test_memory_of_a_gpu_that_a_job_keeps_is_shown_and_breaks_where_it_grows():
    once = Job("train", 2.0, 100 * MIB, 3 * MIB)
    (row,) = memory([once], [once._replace(seconds=1.0)], gpu=True)
    assert row == Row("job train", "2.0 and 1.0 s, at most 100 MiB; left 3, then 3 MiB")
    grown = once._replace(left_bytes=once.left_bytes + GROWTH_BYTES + 1)
    assert broken(memory([once], [grown], gpu=True)) == ["job train"]


def test_two_jobs_on_one_gpu_are_told_in_times_of_one_and_an_error_of_either_is_shown():
    _, row = together([0.01], [0.016, 0.016])
    assert row.seen == "16.00 ms a step, 16.00 ms a step; 1.25 times the steps of one"
    _, row = together([0.01], [0.016, "RuntimeError: busy"])
    assert (row.seen, row.broken) == ("16.00 ms a step, RuntimeError: busy", True)


def test_a_scheduler_that_was_loaded_for_nothing_breaks():
    assert not needless(["torch", "harness"]).broken
    assert needless(["torch", "ray"]).broken


def test_what_breaks_a_promise_is_marked_in_the_table():
    assert table([Row("a", "well"), Row("longer", "not", broken=True)]) == "a       well\nlonger  not  BROKEN"


@pytest.mark.slow
def test_all_of_it_runs_where_there_is_no_gpu_and_ends_well():
    told = subprocess.run([sys.executable, "-m", "tests.gpu"], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "BROKEN" not in told.stdout
    assert torch.cuda.is_available() or told.stdout.startswith("there is no GPU here that torch can use")


@pytest.mark.slow
def test_processes_begin_together_and_each_tells_its_steps():
    found = side_by_side(2, small=True)
    assert [type(seconds) for seconds in found] == [float, float]
