"""A storage that fails for a while is tried again, one that fails for good ends the study resumable."""

import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from harness.errors import Interrupted
from harness.ledger import patience as module
from harness.ledger.patience import Patience

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
