"""A node that does not see the study's directory or its images says so before work starts, or when it is given some."""

import errno

import pytest

from harness.cluster import sight
from harness.cluster.sight import DRIVER, look, names_in, refuse_answer, refuse_unseen
from harness.driver.causes import cause_of
from harness.errors import UserError
from harness.stages import failure_of


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(sight, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(sight.appears, "__defaults__", (0.0,))


@pytest.fixture
def folder(tmp_path):
    """Where a driver has left its mark, and a folder of two images."""
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / DRIVER).write_text("token")
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).touch()
    return tmp_path


def test_a_node_that_sees_all_leaves_its_mark(folder):
    data, marks = str(folder / "data"), folder / "marks"
    assert look(str(marks), "token", {data: names_in(data)}, "node") is None
    assert (marks / "node").exists()


def test_what_a_node_does_not_see_is_said(folder):
    data, marks = str(folder / "data"), str(folder / "marks")
    known = {data: names_in(data)}
    assert look(str(folder / "elsewhere"), "token", known, "node") == f"does not see {folder / 'elsewhere'}"
    assert look(marks, "another's", known, "node") == f"does not see {marks}"
    (folder / "data" / "c").touch()
    assert look(marks, "token", known, "node") == f"sees other files in {data} than the driver"
    assert look(marks, "token", {f"{data}/no": "x"}, "node") == f"does not see {data}/no"


def test_a_node_that_sees_less_or_writes_elsewhere_is_refused_by_its_name(folder):
    mark = folder / "marks" / "node"
    with pytest.raises(UserError, match=rf"^node far: writes to a {folder} of its own; mount it there too"):
        refuse_answer("far", None, mark)
    look(str(folder / "marks"), "token", {}, "node")
    refuse_answer("far", None, mark)
    unseen = look(str(folder / "marks"), "another's", {}, "node")
    with pytest.raises(UserError, match=rf"^node far: does not see {folder}; mount it there too"):
        refuse_answer("far", unseen, mark)


def test_a_job_on_a_node_that_came_later_and_sees_nothing_goes_to_another(folder):
    with pytest.raises(OSError, match="is not seen on this node") as raised:
        refuse_unseen(folder / "trials" / "00000" / "attempt-1")
    assert raised.value.errno == errno.ENODEV
    assert cause_of(failure_of(raised.value, "train")).kind == "place"
