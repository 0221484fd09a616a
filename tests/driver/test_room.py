"""A trial is handed out only where the disk has room for it."""

import re

import pytest

from harness.cli import main
from harness.driver import room
from harness.driver.room import LEAST_BYTES, MARGIN, Room
from harness.errors import Interrupted, UserError

SPACE = "{name: small, data: {name: digits}, defense: {none: {}}, search: {trials: 1}}"


@pytest.fixture
def free():
    """Bytes that are free, to be set."""
    return [LEAST_BYTES]


@pytest.fixture
def looking(tmp_path, free):
    (tmp_path / "study").mkdir()
    return Room(tmp_path / "study", lambda folder: free[0])


def test_there_is_room_while_what_a_trial_may_take_is_free(looking, free):
    assert looking.enough()
    looking.refuse()
    looking.end()
    free[0] -= 1
    assert not looking.enough()
    with pytest.raises(UserError, match=r"study: 268 MB are free there, a trial may take 268 MB; make room, `invfront"):
        looking.refuse()


def test_the_largest_trial_so_far_counts(looking, free, tmp_path):
    for number, num_bytes in enumerate((LEAST_BYTES, 10)):
        trial = tmp_path / str(number)
        trial.mkdir()
        with (trial / "weights").open("wb") as file:
            file.truncate(num_bytes)  # a hole: of this size, and none of the disk
        looking.ended(trial)
    free[0] = MARGIN * LEAST_BYTES
    assert looking.enough()
    free[0] -= 1
    assert not looking.enough()


def test_a_study_from_which_trials_were_withheld_ends_resumable_even_if_there_is_room_again(looking, free, tmp_path):
    free[0] = 0
    assert not looking.enough()
    free[0] = 2**40
    with pytest.raises(Interrupted, match=f"then `invfront resume {re.escape(str(tmp_path / 'study'))}`"):
        looking.end()


def test_a_study_without_room_for_one_trial_is_refused_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(room, "LEAST_BYTES", 2**60)
    (tmp_path / "space.yaml").write_text(SPACE)
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path / "runs")]) == 2
    assert re.fullmatch(
        r"invfront: \S+/runs/small: \S+ [MG]B are free there, a trial may take [^;]*; "
        r"make room, or name another --out\n",
        capsys.readouterr().err,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["space.yaml"]
