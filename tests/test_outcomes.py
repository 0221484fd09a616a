"""However a study went, every command that reads it says so, and no page or command ends in a traceback."""

import json
import re
from collections.abc import Callable

import pytest
import typer.main

from harness.cli import app, main
from harness.ledger import Ledger, write_whole
from harness.records import AttackRecord, Failure, Record
from harness.study.check import load_checked
from tests.values import JOB, attack, record

LEDGER = "5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"
BUDGET = 3
ERROR = Failure(stage="train", type="FloatingPointError", message="epoch 1: not finite")

Outcome = Callable[[int], tuple[Record, tuple[AttackRecord, ...]]]


def complete(number: int) -> tuple[Record, tuple[AttackRecord, ...]]:
    return record(number), (attack(number),)


def failed(number: int) -> tuple[Record, tuple[AttackRecord, ...]]:
    done = record(number)
    nothing = {"accuracy": None, "objectives": None, "feasible": None, "floors": {}}
    measured = done.measured.model_copy(update=nothing)
    return done.model_copy(update={"state": "failed", "measured": measured, "verdicts": {}, "error": ERROR}), ()


def partial(number: int) -> tuple[Record, tuple[AttackRecord, ...]]:
    done, (own,) = complete(number)
    lost = own.measured.model_copy(update={"verdict": "failed", "scores": None, "selection": None, "images": 0})
    measured = done.measured.model_copy(update={"objectives": None})
    changes = {"state": "partial", "measured": measured, "verdicts": {JOB.name: "failed"}, "error": ERROR}
    return done.model_copy(update=changes), (own.model_copy(update={"measured": lost, "error": ERROR}),)


def infeasible(number: int) -> tuple[Record, tuple[AttackRecord, ...]]:
    done, attacks = complete(number)
    return done.model_copy(update={"measured": done.measured.model_copy(update={"feasible": False})}), attacks


def pruned(number: int) -> tuple[Record, tuple[AttackRecord, ...]]:
    return failed(number)[0].model_copy(update={"state": "pruned", "error": None}), ()


STUDIES: dict[str, list[Outcome]] = {
    "none": [],
    "one": [complete],
    "all failed in training": [failed] * BUDGET,
    "all failed in an attack": [partial] * BUDGET,
    "all infeasible": [infeasible] * BUDGET,
    "all pruned": [pruned] * BUDGET,
    "one of each": [complete, failed, partial],
}


@pytest.fixture(scope="module")
def study():
    return load_checked("quickstart", trials=BUDGET).model_copy(update={"ledger": LEDGER})


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) if name == "one" else name for name in STUDIES])
def root(request, study, tmp_path):
    """A study's directory, below a folder that tells how the study went; one complete trial is in "one of each" too."""
    ledger = Ledger(tmp_path / request.param / "quickstart")
    write_whole(ledger.study_file, study.dump().encode())
    for number, outcome in enumerate(STUDIES[request.param]):
        done, attacks = outcome(number)
        asked = done.asked.model_copy(update={"ledger": LEDGER})
        ledger.publish_asked(asked)
        for each in attacks:
            ledger.publish_attack(each)
        ledger.publish_record(done.model_copy(update={"asked": asked}))
    return ledger.root


READING = {
    "status": [["status", "{root}"], ["status", "{root}", "--json"]],
    "report": [["report", "{root}", "--json"]],
    "show": [["show", "{root}", "0"], ["show", "{root}", "0", "--json"], ["show", "{root}", "2"]],
    "doctor": [["doctor", "{root}"], ["doctor", "{root}", "--json"], ["doctor", "{root}", "--clean"]],
    "export": [["export", "{root}"], ["export", "{root}", "0", "--json"]],
    "claims": [["claims", "{root}"]],
    "ctl": [["ctl", "{root}", "skip", "0"], ["ctl", "{root}", "retry", "failed", "--json"]],
    "check": [["check", "{root}/study.yaml"], ["check", "{root}/study.yaml", "--json"]],
}
"""Ways to ask each command about a study."""

WORKING = {"run", "resume", "retry", "attack", "confirm", "new", "defenses", "attacks", "plan", "cluster"}
"""Commands that work on one, or ask about none."""

WELL = {"status", "report", "check"}
"""Commands that end with 0 whatever a study holds; the others may have something to say that is not well."""


def test_every_command_that_reads_a_study_is_tried():
    assert READING.keys() | WORKING == typer.main.get_command(app).commands.keys()


@pytest.mark.parametrize("command", READING)
def test_every_command_that_reads_a_study_says_how_it_went_and_never_with_a_traceback(root, command, capsys):
    for arguments in READING[command]:
        code = main([argument.format(root=root) for argument in arguments])
        said = capsys.readouterr()
        assert code in ({0} if command in WELL else {0, 2})
        assert "Traceback" not in said.out + said.err
        assert said.out.strip() or re.fullmatch(r"invfront: [^\n]+\n", said.err)
        if "--json" in arguments:
            assert isinstance(json.loads(said.out), dict)
    if command == "report":
        check_page(root)


def check_page(root):
    """The page is whole, and says what failed."""
    page = (root / "report" / "index.html").read_text()
    assert re.search(r"</html>\s*$", page)
    failures = [path for path in root.glob("trials/*/record.json") if ERROR.message in path.read_text()]
    assert (ERROR.message in page) == bool(failures)


def test_a_front_that_is_empty_is_attacked_in_one_line(root, capsys):
    if not any(outcome is complete for outcome in STUDIES[root.parent.name]):
        assert main(["attack", str(root), "front", "--attack", "rmle:quick"]) == 2
        assert re.fullmatch(r"invfront: TRIAL front: [^\n]+\n", capsys.readouterr().err)


def test_a_front_that_is_empty_is_confirmed_in_one_line_and_nothing_is_written(root, capsys):
    if not any(outcome is complete for outcome in STUDIES[root.parent.name]):
        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert main(["confirm", str(root), "--address", "in-process"]) == 2
        assert re.fullmatch(r"invfront: [^\n]+: no trial is on the front: [^\n]+\n", capsys.readouterr().err)
        after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != "study.lock"}
        assert after == before


def test_doctor_makes_the_missing_rows_anew(root, capsys):
    """The scores of single images, which these studies never had, are not for it to make."""
    wanted = bool(list(root.glob("trials/*/record.json")))
    for arguments in (["doctor", str(root)], ["doctor", str(root), "--fix"]):
        main(arguments)
    said = capsys.readouterr()
    assert (root / "study.db").exists() == wanted
    assert f"{root / 'study.db'}: missing; done" in said.out or not wanted
    assert "Traceback" not in said.out + said.err


def test_states_add_up_to_the_budget(root, capsys):
    assert main(["status", str(root), "--json"]) == 0
    states = json.loads(capsys.readouterr().out)["states"]
    assert sum(states.values()) == BUDGET
