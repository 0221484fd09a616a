"""A prior that is being trained is known to be, by others; one whose process was lost has one heir at a time."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from harness.records import AttackJob
from harness.stages.underway import must_wait, over, underway

JOB = AttackJob(attack="gan_prior", budget="quick", seed=0, part="validation")
OTHER = JOB.model_copy(update={"seed": 1})

LOST = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def heir():
    with contextlib.ExitStack() as stack:
        yield stack


def test_attacks_wait_for_a_prior_while_it_is_trained_and_at_no_other_time(tmp_path, heir):
    folder = tmp_path / "priors"
    assert not must_wait(folder, JOB, heir)
    with underway(folder, JOB):
        assert must_wait(folder, JOB, heir)
        assert not must_wait(folder, OTHER, heir)
    assert not must_wait(folder, JOB, heir)


def test_nobody_waits_for_a_prior_whose_training_fails(tmp_path, heir):
    with pytest.raises(ValueError, match="no number"), underway(tmp_path, JOB):
        raise ValueError("no number")
    assert list(tmp_path.glob("*.heir.lock")) == []
    assert not must_wait(tmp_path, JOB, heir)


def test_of_those_that_wait_for_a_process_that_is_lost_one_at_a_time_goes_on(tmp_path):
    """Were all to go on, each would hold a place in vain while the first one trains the prior."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOST, tmp_path / f"{JOB.name}.underway"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        assert must_wait(tmp_path, JOB, first)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not must_wait(tmp_path, JOB, first)
        assert must_wait(tmp_path, JOB, second)
        first.close()  # it was lost, too
        assert not must_wait(tmp_path, JOB, second)
        assert must_wait(tmp_path, JOB, first)
        over(tmp_path, JOB)  # it has trained it
        assert not must_wait(tmp_path, JOB, first)
