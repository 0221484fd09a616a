"""One driver at a time, and none that is dead."""

import subprocess
import sys

import pytest

from harness.errors import Interrupted, UserError
from harness.ledger.files import Ledger
from harness.ledger.lease import LOCK, lease
from tests.values import asked, attack, record

HOLD = "import sys, time; from pathlib import Path; from harness.ledger.lease import lease\n"
HOLD += "with lease(Path(sys.argv[1]), 'l', None):\n    print('held', flush=True); time.sleep(60)"


def test_a_lease_whose_lock_was_removed_or_whose_study_was_moved_is_lost(tmp_path):
    root = tmp_path / "study"
    root.mkdir()
    with lease(root, "l", None) as held:
        held.check()
        (root / LOCK).unlink()
        with pytest.raises(Interrupted, match=r"study\.lock: was removed while this driver ran; go on with"):
            held.check()
        with lease(root, "l", None) as other:
            other.check()
            root.rename(tmp_path / "elsewhere")
            for each in (held, other):
                with pytest.raises(Interrupted):
                    each.check()


def test_nothing_is_published_without_the_lease(tmp_path):
    ledger = Ledger(tmp_path)
    with lease(tmp_path, "l", None) as held:
        ledger.guard = held.check
        ledger.publish_asked(asked(0))
        (tmp_path / LOCK).unlink()
        for publish in (
            lambda: ledger.publish_asked(asked(1)),
            lambda: ledger.publish_record(record(0)),
            lambda: ledger.publish_attack(attack(0)),
        ):
            with pytest.raises(Interrupted, match="was removed"):
                publish()
    assert [path.name for path in tmp_path.rglob("*.json")] == ["asked.json"]


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
