"""``new``: a folder becomes a study file that nothing is wrong with, and nothing is ever overwritten."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.data.survey import survey
from harness.study.draft import draft, sizes_for
from harness.study.faults import inspect
from tests.commands.test_json import told
from tests.data import test_survey as folders


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "make",
    [
        folders.as_they_are,
        folders.train_and_val,
        folders.parquet,
        folders.cifar_of_the_hub,
        folders.tiny,
        folders.faces,
    ],
)
def test_nothing_is_wrong_with_what_is_written_for_a_folder(make: Any, here: Path, capsys) -> None:
    (here / "pictures").mkdir()
    make(here / "pictures")
    assert main(["new", "mine", "--data", "pictures"]) == 0
    output = capsys.readouterr().out
    assert output.endswith(
        "wrote mine.yaml: read it, then `invfront check mine.yaml`, `invfront run mine.yaml --trials 2`\n"
    )
    found = inspect("mine.yaml")
    assert found.faults == ()
    assert found.study.data.root == str(here / "pictures")
    seen = survey("pictures")
    assert (found.study.data.name, found.study.data.size or seen.size) == (seen.name, seen.size)
    shown = re.sub(r"\n# ", " ", (here / "mine.yaml").read_text())
    for line in output.splitlines()[:-1]:
        assert f"# {line}" in shown or line in shown


@pytest.mark.parametrize("name", ["digits", "tests.data.test_own:arrays"])
def test_what_needs_no_folder_has_a_file_too(name: str, here: Path) -> None:
    assert main(["new", "mine", "--data", name]) == 0
    assert inspect("mine.yaml").faults == ()


@pytest.mark.parametrize("folder", ['it\'s $5 & ünï: #1, {a} "b"', "no", "100%\\n", "two\nlines", "~me"])
def test_a_folder_may_be_called_anything(folder: str, here: Path) -> None:
    folders.photographs(here / folder)
    assert main(["new", "mine", "--data", folder]) == 0
    assert inspect("mine.yaml").faults == ()
    assert inspect("mine.yaml").study.data.root == str(here / folder)


def test_a_home_that_the_shell_has_not_written_out_is_found(here: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    folders.photographs(here / "home" / "pictures")
    assert main(["new", "mine", "--data=~/pictures"]) == 0
    assert inspect("mine.yaml").study.data.root == str(here / "home" / "pictures")
    assert main(["new", "other", "--data=~nobody-of-this-name/pictures"]) == 2


def test_a_file_that_is_there_stays_as_it_is(here: Path, capsys) -> None:
    folders.photographs(here / "pictures")
    (here / "mine.yaml").write_text("mine")
    assert main(["new", "mine", "--data", "pictures"]) == 2
    assert capsys.readouterr().err == (
        "invfront: mine.yaml: is there already, and stays as it is; take another NAME, or remove the file\n"
    )
    assert (here / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Mine!", "--data", "pictures"], "NAME Mine!: takes a-z, 0-9"),
        (["../mine", "--data", "pictures"], "NAME ../mine: takes a-z"),
        (["mine", "--data", "nowhere"], "--data nowhere: there is no folder nowhere: <class>/*, or train/"),
        (["mine", "--data", "no.such:thing"], "--data no.such:thing: data set no.such:thing: No module named 'no'"),
        (["mine", "--data", "cifar10"], "--data cifar10: cifar10 needs a folder"),
        (["mine", "--data", "."], "--data .: . holds images of 1 classes"),
        (["mine"], "--data"),
    ],
)
def test_what_cannot_be_studied_is_refused_in_one_line_and_nothing_is_written(
    arguments: list[str], says: str, here: Path, capsys
) -> None:
    folders.images(here / "pictures" / "cats", 6)
    assert main(["new", *arguments]) == 2
    output = capsys.readouterr()
    assert re.fullmatch(r"invfront: [^\n]+\n", output.err)
    assert says in output.err
    assert output.out == ""
    assert [path.name for path in here.iterdir()] == ["pictures"]


def test_a_program_is_told_the_same(here: Path, capsys) -> None:
    folders.train_and_val(here / "pictures")
    assert main(["new", "mine.yaml", "--data", "pictures", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == told("new")
    assert (document["file"], document["study"], document["held_out"]) == ("mine.yaml", "mine", 8)
    assert document["parts"]["test"] == 8


def test_a_first_study_is_sized_for_what_is_there(here: Path) -> None:
    parts = {"train": 76_000, "validation": 4_000, "attacker": 18_000, "attacker_validation": 2_000, "test": 10_000}
    few, digits = survey(str(folders.photographs(here / "few", 10))), survey("digits")
    assert sizes_for(few) == (None, 32, 100, 0.25, 0.325)
    assert sizes_for(digits)[:3] == (None, 32, 15)
    many = replace(digits, classes=dict.fromkeys(map(str, range(200)), 500), ready=digits.ready._replace(parts=parts))
    assert sizes_for(many) == (10_000, 128, 8, 0.5, 0.015)
    assert "one of 1 is 100% of accuracy: add images" in " ".join(draft("few", few).split())
    assert "add images" not in draft("digits", digits)
    assert "attacks: {linear: quick, decoder: quick, rmle: quick}" in draft("few", few)
    assert "attacks: {linear: quick, decoder: quick, rmle: quick, membership: quick}" in draft("digits", digits)


@pytest.mark.slow
@pytest.mark.ray
def test_from_a_folder_to_a_report(here: Path) -> None:
    folders.photographs(here / "pictures", 20)
    assert main(["new", "mine", "--data", "pictures"]) == 0
    assert main(["check", "mine.yaml"]) == 0
    assert main(["run", "mine.yaml", "--trials", "2", "--set", "train/epochs=2"]) == 0
    assert (here / "runs" / "mine" / "report" / "index.html").is_file()
