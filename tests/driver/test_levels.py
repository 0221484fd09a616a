"""A study with levels of what its attacker holds, driven in this process: run, cut off, and gone on with."""

import json

import pandas
import pytest

from harness.cli import main
from harness.judging import judged_trials
from harness.ledger.files import Ledger
from harness.study.check import load_checked
from tests.small_ledger import JOB, SPACE, small_ledger
from tests.values import book_of

HERE = ("--address", "in-process", "--no-tracking")


@pytest.fixture
def ledger(tmp_path):
    """A study of five trials, one of them still to be run."""
    return small_ledger(tmp_path)[1]


def files(ledger) -> set[str]:
    found = ledger.root.glob("trials/*/attacks/*.json")
    return {f"{path.parts[-3]}/{path.stem}" for path in found if path.stem.endswith(("-n40", "-members"))}


def test_attack_runs_other_attackers_on_the_front_once_and_the_page_has_their_curve(ledger, capsys):
    before = {number: book_of(ledger).outlines[number].objectives for number in (0, 1)}
    front = book_of(ledger).contenders
    given = ["attack", str(ledger.root), "front", "--images", "40", "--images", "members"]
    assert main([*given, *HERE]) == 0
    assert files(ledger) == {f"{number:05d}/{JOB.name}-{level}" for number in front for level in ("n40", "members")}
    assert {number: book_of(ledger).outlines[number].objectives for number in (0, 1)} == before
    levels = pandas.read_csv(ledger.root / "report" / "levels.csv")
    assert levels["attacker_images"].tolist() == [40, 320, 75] * len(front)
    attacks = pandas.read_csv(ledger.root / "report" / "attacks.csv")
    assert set(attacks["level"].dropna()) == {"n40", "members"}
    assert len(attacks) == len(set(zip(attacks["trial"], attacks["job"], strict=True)))
    assert 'id="attacker-levels"' in (ledger.root / "report" / "index.html").read_text()
    assert main([*given, *HERE]) == 2
    assert "has been run; take another budget or --seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--images", "0"], "--images 0: takes a number of images >= 1, or members"),
        (["--images", "321"], "attacker/images: 321: the attacker's part has 320 images; ask for 1 to 320"),
        (["--levels"], "--levels: the study has no other levels of attacker/images; name them by --images"),
    ],
)
def test_what_cannot_be_held_is_refused_in_one_line(given, told, ledger, capsys):
    assert main(["attack", str(ledger.root), "front", *given, *HERE]) == 2
    assert capsys.readouterr().err == f"invfront: {told}\n"


@pytest.mark.slow
def test_a_run_ends_with_its_levels_and_a_resume_runs_those_that_are_left(tmp_path, capsys):
    space = tmp_path / "space.yaml"
    space.write_text(SPACE.replace("trials: 7", "trials: 2"))
    digest = load_checked(space).digest()
    space.write_text(f"{space.read_text()}attacker: {{images: [40, all, members], levels: all}}\n")
    assert main(["run", str(space), "--out", str(tmp_path), *HERE]) == 0
    ledger = Ledger(tmp_path / "small")
    complete = [trial.number for trial in judged_trials(ledger) if trial.state == "complete"]
    assert files(ledger) == {f"{number:05d}/{JOB.name}-{level}" for number in complete for level in ("n40", "members")}
    assert json.loads(_said(capsys, ["status", str(ledger.root), "--json"]))["digest"] == digest
    front = book_of(ledger).contenders[0]
    gone = ledger.trial(front) / "attacks" / f"{JOB.name}-n40.json"
    there = gone.read_bytes()
    gone.unlink()
    assert "1 attack at other levels of attacker/images missing" in _said(capsys, ["status", str(ledger.root)])
    assert "1 attack to run at the other levels" in _said(capsys, ["resume", str(ledger.root), *HERE])
    assert json.loads(gone.read_bytes())["measured"] == json.loads(there)["measured"]


def _said(capsys, given: list[str]) -> str:
    capsys.readouterr()
    assert main(given) == 0
    return capsys.readouterr().out
