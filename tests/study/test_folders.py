"""Where images lie: variables, ``~``, and folders beside the study file."""

import pytest

from harness.errors import UserError
from harness.study import load_study
from harness.study.folders import located
from harness.study.problem import Problem


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("$DATA/faces", "/images/faces"),
        ("${DATA}/faces", "/images/faces"),
        ("${oc.env:DATA}/faces", "/images/faces"),
        ("${oc.env:NOWHERE,/else}/faces", "/else/faces"),
        ("${NOWHERE:-/else}/faces", "/else/faces"),
        ("/a$$b", "/a$b"),
        ("~/faces", "/home/me/faces"),
    ],
)
def test_variables_and_the_home_are_written_out(folder, found, monkeypatch):
    monkeypatch.setenv("DATA", "/images")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert located("data/root", folder, None) == found


def test_a_variable_that_is_not_set_is_refused_with_its_name(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(Problem, match=r"data/root: '\$NOWHERE/x': NOWHERE is not set; export NOWHERE=FOLDER"):
        located("data/root", "$NOWHERE/x", None)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A study file whose images lie beside it; the working directory is another one."""
    beside, here = tmp_path / "study", tmp_path / "here"
    (beside / "images").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    (beside / "mine.yaml").write_text("{name: mine, data: {name: folder, root: images}}")
    return beside / "mine.yaml"


def test_a_folder_is_found_beside_the_study_file_unless_it_is_below_the_working_directory(file, tmp_path):
    assert load_study(file).data.root == str(tmp_path / "study" / "images")
    (tmp_path / "here" / "images").mkdir()
    assert load_study(file).data.root == str(tmp_path / "here" / "images")


def test_a_folder_set_from_outside_is_one_of_the_working_directory(file, tmp_path):
    assert load_study(file, ["data/root=images"]).data.root == str(tmp_path / "here" / "images")


def test_a_directorys_own_folder_is_taken_as_it_stands(file, tmp_path):
    own = tmp_path / "study.yaml"
    study = load_study(file, ["data/root=/a$$b", "ledger=5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"])
    own.write_text(study.dump())
    assert load_study(own).data.root == study.data.root == "/a$b"


def test_a_study_file_that_its_directory_lost_is_called_missing(tmp_path):
    (tmp_path / "trials").mkdir()
    with pytest.raises(UserError, match=r"study\.yaml: is missing; `invfront doctor .*` says how to have it back"):
        load_study(tmp_path / "study.yaml")


def test_a_folder_whose_name_no_file_can_hold_is_refused(monkeypatch):
    monkeypatch.setenv("DATA", "/photos/bad\udcff")
    with pytest.raises(Problem, match="has bytes that are no letters of UTF-8; name another folder, or a link to it"):
        located("data/root", "$DATA", None)
