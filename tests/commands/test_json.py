"""``--json``: one document on standard output, of the keys that the help tells; errors too, with the same exit code."""

import json
import re
import shutil
from pathlib import Path

import pytest
import typer.main

from harness.cli import app, main
from harness.commands.attack import _document
from harness.commands.summary import summary_document
from harness.judging import judged_trials, status
from harness.ledger import Ledger
from tests.values import asked, attack, record

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "strict"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    return shutil.copytree(OLD, tmp_path_factory.mktemp("old") / "strict")


@pytest.fixture
def study(tmp_path):
    """A study's directory with one complete trial of two."""
    root = tmp_path / "runs" / "small"
    root.mkdir(parents=True)
    (root / "study.yaml").write_text("{name: small, data: {name: digits}, defense: {none: {}}, search: {trials: 2}}")
    ledger = Ledger(root)
    ledger.publish_asked(asked(0))
    ledger.publish_attack(attack(0))
    ledger.publish_record(record(0))
    return root


def told(command: str) -> list[str]:
    """The keys that a command's help tells, in order."""
    shown = typer.main.get_command(app).commands[command].help
    text = " ".join(shown.partition("JSON: ")[2].split())
    return re.findall(r"\w+", re.sub(r"\{.*?\}\]?|\[.*?\]|\(.*?\)|;.*|^a list of", "", text.rstrip(".")))


def document(capsys, *arguments) -> object:
    """What a command prints; nothing else stands beside it."""
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_command_has_it_and_tells_its_keys():
    for name, command in typer.main.get_command(app).commands.items():
        assert any("--json" in parameter.opts for parameter in command.params), name
        assert "JSON: " in command.help, name


@pytest.mark.parametrize("command", ["status", "show"])
def test_a_study_is_told_by_the_keys_of_the_help(command, strict, capsys):
    found = document(capsys, command, strict, *(["0"] if command == "show" else []))
    assert list(found) == told(command)


def test_what_is_asked_of_a_study_and_a_sheet_are_told_by_the_keys_of_the_help(study, capsys):
    assert list(document(capsys, "ctl", study, "pause")) == told("ctl")
    assert list(document(capsys, "cluster", "slurm", study / "study.yaml")) == told("cluster")


def test_a_report_is_told_by_the_keys_of_the_help(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("{name: bare, data: {name: digits}}")  # nothing to draw
    assert list(document(capsys, "report", tmp_path)) == told("report")


@pytest.mark.parametrize("command", ["defenses", "attacks"])
def test_a_list_is_told_by_the_keys_of_the_help(command, capsys):
    rows = document(capsys, command)
    assert all(list(row) == told(command) for row in rows)


def test_status_tells_the_disk(study, capsys):
    disk = document(capsys, "status", study)["disk"]
    assert disk["total"] == sum(path.stat().st_size for path in study.rglob("*") if path.is_file())
    assert disk["free"] > 0


def test_run_resume_and_attack_end_with_the_keys_of_their_help(study):
    now = status({"name": "small", "digest": "d"}, 2, judged_trials(Ledger(study)))
    ended = summary_document(now, study, "http://me:secret@host:5000")
    own = ["name", "digest", "budget", "states", "front", "objectives", "unsettled", "mixed", "ended"]
    assert list(ended) == [*own, "study", "report", "mlflow"]
    assert ended["mlflow"] == "http://host:5000"
    assert [*told("status")[:-5], *told("run")[-3:]] == list(ended)
    assert told("resume") == told("run")
    assert list(_document(study, [attack(0)], {0: record(0).measured.objectives}, [])) == told("attack")


def test_doctor_tells_what_it_found_and_what_it_did(strict, tmp_path, capsys):
    study = shutil.copytree(strict, tmp_path / "strict")
    (study / "trials" / "00000" / ".one.tmp").write_text("")
    assert main(["doctor", str(study), "--json"]) == 2
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert list(found) == told("doctor")
    assert found["wrong"] == len(found["found"]) == 2
    assert found["error"]["exit_code"] == 2
    assert output.err == f"invfront: {found['error']['message']}\n"
    assert main(["doctor", str(study), "--fix", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["wrong"], found["found"], len(found["done"])) == (0, [], 2)
    assert "error" not in found


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "nowhere"],
        ["show", "nowhere", "0"],
        ["run", "missing.yaml"],
        ["run"],
        ["resume", "nowhere"],
        ["runn"],
    ],
)
def test_an_error_is_a_document_too_and_the_exit_code_stays(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--json"]) == 2
    output = capsys.readouterr()
    error = json.loads(output.out)["error"]
    assert error["exit_code"] == 2
    assert output.err == f"invfront: {error['message']}\n"


@pytest.mark.parametrize("command", typer.main.get_command(app).commands)
def test_whatever_command_is_asked_for_what_it_has_not_says_so_in_a_document(command, capsys):
    assert main([command, "--colour", "--json"]) == 2
    output = capsys.readouterr()
    assert "--colour" in json.loads(output.out)["error"]["message"]
    assert output.err.count("\n") == 1


def test_check_tells_what_is_wrong_or_what_would_run_by_the_keys_of_its_help(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, data: {name: digits}}")
    assert [*document(capsys, "check", path), "error"] == told("check")
    assert main(["check", str(path), "--set", "colour=1", "--json"]) == 2
    assert list(json.loads(capsys.readouterr().out)) == told("check")


def test_a_defect_is_a_document_and_still_raised(study, capsys, monkeypatch):
    monkeypatch.setattr("harness.ledger.disk.sizes", lambda root: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["status", str(study), "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "error": {"message": "ZeroDivisionError: division by zero", "exit_code": 1}
    }


def test_what_only_looks_like_the_option_is_none(capsys):
    assert main(["status", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""
