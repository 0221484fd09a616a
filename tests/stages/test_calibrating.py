"""What a study's jobs take is measured for so long and no longer."""

import threading

import pytest

from harness.records.place import Place
from harness.stages.calibrating import Sketch, calibrate
from harness.stages.jobs import drain
from tests.values import JOB, asked


def test_a_measurement_whose_time_is_up_is_over_before_its_process_may_end():
    sketch = Sketch((asked(attacks=(JOB,)),), Place(), 0.2)
    found = drain(calibrate(sketch), lambda told: None)
    assert found.remarks == ["measuring ended after 0 s"]
    assert "calibrate" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.slow
def test_an_attack_that_its_time_ends_in_a_loop_is_foreseen_and_over():
    endless = JOB.model_copy(update={"attack": "tests.later_attacks:Endless", "budget": "quick"})
    found = drain(calibrate(Sketch((asked(attacks=(endless,)),), Place(), 40.0)), lambda told: None)
    assert (found.attacks, list(found.begun)) == ({}, [endless.name])
    assert found.begun[endless.name].seconds > 0
    assert not {"calibrate", endless.name} & {thread.name for thread in threading.enumerate()}
