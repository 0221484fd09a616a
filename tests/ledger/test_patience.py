"""A storage that fails for a while is tried again, one that fails for good ends the study resumable."""

import errno
import os

import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from harness.errors import Interrupted
from harness.ledger import Ledger
from harness.ledger import patience as module
from harness.ledger.patience import Patience
from tests.values import asked, record

AWAY = OperationalError("SELECT 1", {}, ConnectionError("s3cret"))


class Flaky:
    """Fails so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.mended = times, error, 0

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise self.error
        return "done"

    def mend(self) -> None:
        self.mended += 1


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)


def test_a_fault_that_passes_is_said_once_and_what_it_changed_is_mended_before_each_try(caplog):
    action = Flaky(3, AWAY)
    assert Patience(seconds=60, way="resume")(action, action.mend) == "done"
    assert action.mended == 3
    said = [line.getMessage() for line in caplog.records]
    assert said[0] == "storage: ConnectionError; trying again for up to 60 s (resources/patience)"
    assert len(said) == 2
    assert said[1].startswith("storage: answers again after")


def test_a_wrapped_fault_passes_too():
    wrapped = RuntimeError("Optuna's")
    wrapped.__cause__ = AWAY
    assert Patience(seconds=60, way="resume")(Flaky(1, wrapped)) == "done"


def test_a_fault_that_stays_ends_resumable_and_says_how_to_go_on():
    with pytest.raises(Interrupted, match=r"^storage: ConnectionError for 0 s; go on later$"):
        Patience(seconds=0.1, way="go on later")(Flaky(10**6, AWAY))


def test_patience_is_for_faults_that_may_pass_alone():
    for error in (DatabaseError("SELECT 1", {}, ValueError("malformed")), KeyError("ours")):
        action = Flaky(1, error)
        with pytest.raises(type(error)):
            Patience(seconds=60, way="resume")(action)
    with pytest.raises(OperationalError):
        Patience()(Flaky(1, AWAY))


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ECONNRESET])
def test_a_disk_or_a_connection_that_fails_for_the_moment_is_tried_again(number, caplog):
    fault = OSError(number, os.strerror(number), "/shared/x")
    assert Patience(seconds=60, way="resume")(Flaky(2, fault)) == "done"
    assert caplog.records[0].getMessage().startswith(f"/shared/x: {os.strerror(number)}; trying again")
    with pytest.raises(OSError, match=os.strerror(number)):
        Patience()(Flaky(1, fault))


def test_a_disk_that_is_full_is_not_waited_for():
    with pytest.raises(OSError, match="No space"):
        Patience(seconds=60, way="resume")(Flaky(1, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))


@pytest.mark.parametrize("fails", range(1, 9))
def test_a_write_that_fails_anywhere_is_done_again_whole_and_nothing_is_lost_or_doubled(fails, tmp_path, monkeypatch):
    """Each call that brings something to the disk fails in turn, once; the last ones fail after the rename."""
    ledger, fsync, calls = Ledger(tmp_path / "study"), os.fsync, []
    ledger.patience = Patience(seconds=60, way="resume")

    def flaky(file: int) -> None:
        calls.append(file)
        if len(calls) == fails:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        fsync(file)

    monkeypatch.setattr(os, "fsync", flaky)
    ledger.publish_asked(asked(0))
    ledger.publish_record(record(0))
    monkeypatch.setattr(os, "fsync", fsync)
    files = ledger.read(0)
    assert (files.asked, files.record, files.tries) == (asked(0), record(0), 1)
    assert not list((tmp_path / "study").rglob(".*.tmp"))
