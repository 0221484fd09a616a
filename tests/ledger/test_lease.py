"""One driver at a time, and none that is dead."""

import subprocess
import sys

import pytest

from harness.errors import UserError
from harness.ledger.lease import lease

HOLD = "import sys, time; from pathlib import Path; from harness.ledger.lease import lease\n"
HOLD += "with lease(Path(sys.argv[1]), 'l', None):\n    print('held', flush=True); time.sleep(60)"


def test_a_second_driver_is_refused_until_the_first_is_dead(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another driver runs this study"), lease(tmp_path, "l", None):
            pass
        first.kill()
        first.wait(10)
    with lease(tmp_path, "l", None):
        pass
