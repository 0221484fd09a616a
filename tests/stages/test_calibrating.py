"""What a study's jobs take is measured for so long and no longer."""

import threading

from harness.records.place import Place
from harness.stages.calibrating import Sketch, calibrate
from harness.stages.jobs import drain
from tests.values import JOB, asked


def test_a_measurement_whose_time_is_up_is_over_before_its_process_may_end():
    sketch = Sketch((asked(attacks=(JOB,)),), Place(), 0.2)
    found = drain(calibrate(sketch), lambda told: None)
    assert found.remarks == ["measuring ended after 0 s"]
    assert "calibrate" not in [thread.name for thread in threading.enumerate()]
