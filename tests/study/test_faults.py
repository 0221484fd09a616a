"""What is wrong with a study file is said all at once, each thing once, and nothing that only follows from another."""

import pytest

from harness.cli import main
from harness.study.check import load_checked
from harness.study.faults import inspect

BAD = """
nme: mine
data: {name: digits, size: 8}
model: {width: 99, sigma: {low: 1, high: 0}, cutt: 3.5}
train: {recipe: quick, epoch: many, batch_size: 1}
protocol: strickt
defense:
  none: {}
  lapace: {scale: 1}
  cem_paper: {lamda: 0.1}
  nopeek: defalt
attacks: {decoder: quik, gues: quick}
search: {trials: 0, sampler: gird, anchors: [{defense/name: lapace}, {model/sigm: 0.1}, {defense/name: nope}]}
resources: {timeout: 1e300, train: {cpu: -1}}
"""

EXPECTED = {
    "nme": "did you mean name?",
    "data/size": "take 11 or more",
    "model/width": "not 99",
    "model/sigma": "low 1 is above high 0; swap them",
    "model/cutt": "did you mean cut?",
    "model/cut": "takes a whole number >= 1, not 3.5",
    "train/recipe": "takes 'published' or 'fast', not 'quick'",
    "train/epoch": "did you mean epochs?",
    "train/epochs": "not 'many'",
    "train/batch_size": "not 1",
    "protocol": "did you mean strict?",
    "defense/lapace": "did you mean laplace?",
    "defense/cem_paper/lamda": "did you mean lam?",
    "defense/nopeek": "not 'defalt'",
    "attacks/decoder/budget": "did you mean quick?",
    "attacks/gues": "no attack 'gues'",
    "search/trials": "not 0",
    "search/sampler": "did you mean grid?",
    "search/anchors/1/model/sigm": "did you mean model/sigma?",
    "search/anchors/2/defense/name": "'nope' is no branch of the study",
    "resources/timeout": "not 1e+300",
    "resources/train/cpu": "not -1",
}


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def test_everything_is_said_at_once_and_each_thing_once(bad):
    found = inspect(bad)
    assert found.study is None
    assert sorted(fault.path for fault in found.faults) == sorted(EXPECTED)
    for fault in found.faults:
        assert EXPECTED[fault.path] in fault.text, fault
        assert fault.where == str(bad)


def test_overrides_are_blamed_where_they_are_wrong(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine")
    wrong = ["model/sgma=1", "nonsense", "train/images=[1", "train/epochs=0"]
    faults = {fault.where: fault for fault in inspect(tmp_path / "mine.yaml", wrong).faults}
    assert list(faults) == ["--set nonsense", "--set train/images=[1", "--set model/sgma=1", "--set train/epochs=0"]
    assert "did you mean sigma?" in faults["--set model/sgma=1"].text


def test_images_that_are_not_there_are_a_fault_beside_the_others(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"{{name: mine, data: {{name: folder, root: {tmp_path}/gone}}, train: {{epochs: 0}}}}")
    assert [fault.path for fault in inspect(path).faults] == ["train/epochs", "data/root"]


@pytest.mark.parametrize("text", ["", "[1]", "name: [", "a: &a [*a]"])
def test_what_is_no_study_file_is_one_fault(text, tmp_path):
    (tmp_path / "no.yaml").write_text(text)
    (fault,) = inspect(tmp_path / "no.yaml").faults
    assert str(tmp_path / "no.yaml") in fault.text


def test_a_good_file_is_the_study_that_would_run():
    assert inspect("quickstart", ["train/epochs=3"], 5).study == load_checked("quickstart", ["train/epochs=3"], 5)


def test_the_command_lists_every_fault_and_ends_with_2(bad, capsys):
    assert main(["check", str(bad)]) == 2
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == len(EXPECTED)
    assert f"{bad}: model/width: takes a number > 0 and <= 16, not 99" in output.out
    assert output.err == f"invfront: {bad}: wrong in {len(EXPECTED)} places, listed above; mend, then check again\n"


def test_the_command_tells_what_a_good_file_would_run(capsys):
    assert main(["check", "quickstart"]) == 0
    told = capsys.readouterr().out
    for text in (
        "nothing is wrong",
        "trials: 12, tpe",
        "defense/laplace/scale 0.01 to 0.5 in logarithm",
        "decoder-quick-0",
    ):
        assert text in told
