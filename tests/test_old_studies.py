"""Studies that older versions made are read, reported, examined and gone on with by this one, for ever.

Only the command line, `harness.open` and the files are used, so that these tests outlive every move of the code.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import harness
from harness.cli import main

OLD = Path(__file__).parent / "old_studies"
STUDIES = [path.parent for path in sorted(OLD.glob("*/*/study.yaml"))]
NAMES = ["/".join(path.relative_to(OLD).parts) for path in STUDIES]

PATIENCE = 900.0
"""Seconds that a resume may take on a busy machine."""


def expected(study: Path) -> dict[str, Any]:
    """What the version that made a study said of it."""
    return json.loads(study.with_name(f"{study.name}.expected.json").read_text())


@pytest.fixture(params=STUDIES, ids=NAMES)
def old(request, tmp_path) -> tuple[Path, dict[str, Any]]:
    """A copy of an old study, and what is expected of it."""
    return copied(request.param, tmp_path)


def copied(study: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    return Path(shutil.copytree(study, folder / study.name)), expected(study)


def published(root: Path) -> dict[str, bytes]:
    """What only a driver writes, and never twice: a study's questions and answers."""
    files = [*root.glob("trials/*/*.json"), *root.glob("trials/*/attacks/*.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def resumed(root: Path, trials: int, *address: str) -> None:
    """Go on with a study in a process of its own."""
    command = [sys.executable, "-m", "harness.cli", "resume", str(root), "--trials", str(trials), *address]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


def rows(table: pd.DataFrame, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table's rows in the columns that are wanted, null where a number is missing."""
    found = table[list(wanted[0])].astype(object)
    return found.where(found.notna(), None).to_dict("records")


def test_each_protocol_has_an_old_study_in_every_state():
    found: dict[str, set[str]] = {}
    for study in STUDIES:
        protocol = yaml.safe_load((study / "study.yaml").read_text())["protocol"]
        states = expected(study)["status"]["states"]
        found.setdefault(protocol, set()).update(state for state, count in states.items() if count)
    assert found.keys() == {"strict", "cem"}
    assert all(states >= {"complete", "failed", "partial", "running", "waiting"} for states in found.values())


def test_status_says_what_it_said_then(old, capsys):
    root, said = old
    assert main(["status", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in said["status"]} == said["status"]  # keys may be added, none goes


def test_the_tables_have_the_states_and_objectives_of_then(old):
    root, said = old
    before, opened = everything(root), harness.open(root)
    assert rows(opened.trials, said["trials"]) == said["trials"]
    assert rows(opened.attacks, said["attacks"]) == said["attacks"]
    assert everything(root) == before


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == NAMES[-1] else pytest.mark.slow) for name in NAMES]
)
def test_a_report_has_the_states_and_objectives_of_then(name, tmp_path, capsys):
    root, said = copied(OLD / name, tmp_path)
    before = everything(root)
    assert main(["report", str(root)]) == 0
    assert capsys.readouterr().out == f"report: {root / 'report' / 'index.html'}\n"
    page = (root / "report" / "index.html").read_text()
    assert said["status"]["name"] in page
    assert page.rstrip().endswith("</html>")
    for name in ("trials", "attacks"):
        assert rows(pd.read_parquet(root / "report" / f"{name}.parquet"), said[name]) == said[name]
    after = {path: content for path, content in everything(root).items() if not path.startswith("report/")}
    assert after == before


def test_doctor_finds_what_it_found_then_and_changes_nothing(old, capsys):
    root, said = old
    before = everything(root)
    assert main(["doctor", str(root)]) == said["doctor"]["code"]
    output = capsys.readouterr()
    lines = output.out.replace(str(root), "STUDY").splitlines()
    assert [line for line in lines if "decoded images of this machine" not in line] == said["doctor"]["out"]
    assert output.err.replace(str(root), "STUDY").splitlines() == said["doctor"]["err"]
    assert {path: content for path, content in everything(root).items() if not path.endswith(".lock")} == before


def test_doctor_mends_an_old_study_and_writes_no_record_anew(old, capsys):
    root, _ = old
    before = published(root)
    assert main(["doctor", str(root), "--fix"]) == 0, capsys.readouterr().out
    assert published(root) == before
    assert main(["doctor", str(root)]) == 0, capsys.readouterr().out


def check_resume(
    root: Path, said: dict[str, Any], trials: int, capsys: pytest.CaptureFixture[str], *address: str
) -> None:
    """Go on with an old study until it has ``trials``: what was unfinished ends, what was finished stays as it was."""
    before, asked = published(root), len(list(root.glob("trials/*/asked.json")))
    finished = {Path(path).parts[1] for path in before if path.endswith("record.json")}
    attempts = {path for number in finished for path in root.glob(f"trials/{number}/attempt-*")}
    resumed(root, trials, *address)

    assert main(["status", str(root), "--json"]) == 0
    now, then = json.loads(capsys.readouterr().out), said["status"]
    assert now["digest"] == then["digest"]
    assert now["budget"] == trials == sum(now["states"].values())
    assert now["states"]["running"] == now["states"]["waiting"] == 0
    assert now["states"]["partial"] == then["states"]["partial"]
    assert now["states"]["complete"] + now["states"]["failed"] == trials - then["states"]["partial"]
    assert now["states"]["complete"] > then["states"]["complete"]

    after = published(root)
    assert {path: after[path] for path in before} == before
    assert {path for number in finished for path in root.glob(f"trials/{number}/attempt-*")} == attempts
    new = {path for path in after if path.endswith("record.json")} - before.keys()
    assert len(new) == trials - len(finished) == then["states"]["running"] + trials - asked
    assert main(["doctor", str(root)]) == 0, capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_resume_hands_out_the_trial_that_was_running_and_leaves_the_finished_ones(tmp_path, capsys):
    root, said = copied(OLD / "0.1" / "strict", tmp_path)
    check_resume(
        root, said, len(list(root.glob("trials/*/asked.json"))), capsys, "--address", "in-process", "--no-tracking"
    )


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_a_resume_spends_the_budget_and_one_trial_more(old, capsys):
    root, said = old
    check_resume(root, said, said["status"]["budget"] + 1, capsys)
