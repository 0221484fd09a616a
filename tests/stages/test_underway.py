"""A prior that is being trained is known to be, by others; one whose process was lost has one heir at a time."""

import subprocess
import sys

import pytest

from harness.records import AttackJob, Failure, Place
from harness.stages.jobs import Outcome, Spent
from harness.stages.priors import Priors, train_priors
from harness.stages.underway import GRACE_SECONDS, LONGEST_WAIT, Waiting, over, underway
from tests.values import asked

JOB = AttackJob(attack="gan_prior", budget="quick", seed=0, part="validation")
OTHER = JOB.model_copy(update={"seed": 1})

LOST = """
import os, sys
from pathlib import Path
from filelock import FileLock
FileLock(sys.argv[1] + ".lock").acquire()
Path(sys.argv[1]).touch()
os._exit(1)
"""


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def lose(folder):
    """Lose a process that trains the prior."""
    subprocess.run([sys.executable, "-c", LOST, folder / f"{JOB.name}.underway"], check=False)


def test_attacks_wait_for_a_prior_while_it_is_trained_and_at_no_other_time(tmp_path):
    folder, waiting = tmp_path / "priors", Waiting()
    assert not waiting.must(folder, JOB)
    with underway(folder, JOB):
        assert waiting.must(folder, JOB)
        assert not waiting.must(folder, OTHER)
    assert not waiting.must(folder, JOB)


def test_a_prior_whose_training_fails_is_waited_for_until_it_is_said_to_be_over(tmp_path):
    """Another node may do better; were attacks to begin meanwhile, they would train it in time of their own."""
    with pytest.raises(ValueError, match="no number"), underway(tmp_path, JOB):
        raise ValueError("no number")
    assert Waiting().must(tmp_path, JOB)

    def submit(stage, jobs, kind, tell):
        assert Waiting().must(tmp_path, JOB)
        return iter([Outcome(0, None, Failure(stage="attack", type="ValueError", message="no number"), Spent(0, 0))])

    train_priors([JOB], Priors(asked().shared(), Place(), tmp_path), submit, lambda progress: None)
    assert not Waiting().must(tmp_path, JOB)


def test_no_attack_waits_for_ever(tmp_path):
    clock = Clock()
    waiting = Waiting(clock)
    with underway(tmp_path, JOB):
        assert waiting.must(tmp_path, JOB)
        clock.seconds = LONGEST_WAIT + 1
        assert not waiting.must(tmp_path, JOB)


def test_a_process_that_is_lost_may_be_started_again_and_all_wait_on(tmp_path):
    clock = Clock()
    waiting = Waiting(clock)
    lose(tmp_path)
    assert waiting.must(tmp_path, JOB)
    clock.seconds = GRACE_SECONDS - 1
    with underway(tmp_path, JOB):
        assert waiting.must(tmp_path, JOB)
        clock.seconds = GRACE_SECONDS + 1
        assert waiting.must(tmp_path, JOB)
    assert not waiting.must(tmp_path, JOB)


def test_of_those_that_wait_for_a_process_that_stays_lost_one_at_a_time_goes_on(tmp_path):
    """Were all to go on, each would hold a place in vain while the first one trains the prior."""
    clock = Clock()
    first, second = Waiting(clock), Waiting(clock)
    lose(tmp_path)
    assert first.must(tmp_path, JOB)
    assert second.must(tmp_path, JOB)
    clock.seconds = GRACE_SECONDS
    assert not first.must(tmp_path, JOB)
    assert second.must(tmp_path, JOB)
    first.ended(JOB)  # untrained
    assert not second.must(tmp_path, JOB)
    assert first.must(tmp_path, JOB)
    over(tmp_path, JOB)  # trained
    assert not first.must(tmp_path, JOB)
