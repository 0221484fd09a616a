"""``show``: one trial's story, of a trial in any state, from its directory alone."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.curves import BLOCKS, GAP, LETTERS, WIDTH, curve_lines, drawn, levels_of
from harness.ledger import LOG, Ledger
from harness.records import CurvePoint, Failure
from tests.values import asked, record

OLD = Path(__file__).parents[1] / "old_studies" / "0.1" / "strict"


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    return shutil.copytree(OLD, tmp_path_factory.mktemp("old") / "strict")


def told(capsys, *arguments) -> str:
    assert main(["show", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_complete_trial_tells_settings_place_scores_curves_attacks_and_files(strict, capsys):
    story = told(capsys, strict, 0)
    for line in (
        "trial 0 of strict: complete",
        "  train/images: 100",
        "torch 2.14.1",
        "measured on validation: accuracy 0.2900",
        "  worst case: mse 0.00248 (decoder-quick-0), ssim 0.9101 (decoder-quick-0)",
        "attack confidence-quick-0: converged, run later",
        "  evidence: ssim_start 0.907",
        "attempt-3/decoder_xl-quick-0.npz",
    ):
        assert line in story
    assert story.index("attack decoder-quick-0: limited") < story.index("attack membership-quick-0: floor")


def test_a_failed_trial_tells_its_error_with_the_traceback(strict, capsys):
    story = told(capsys, strict, 1)
    assert "trial 1 of strict: failed" in story
    assert "error in train: FloatingPointError: epoch 1: task loss nan" in story
    assert "  Traceback (most recent call last):\n" in story


def test_a_trial_that_was_cut_off_tells_what_is_there(strict, capsys):
    story = told(capsys, strict, 5)
    assert "trial 5 of strict: running" in story
    assert "attempt-1/" in story


@pytest.mark.parametrize("number", range(6))
def test_the_document_holds_the_files_as_they_are(number, strict, capsys):
    found = json.loads(told(capsys, strict, number, "--json"))
    folder = strict / "trials" / f"{number:05d}"
    files = Ledger(strict).read(number)
    assert found["state"] == (files.record.state if files.record else "running")
    assert found["asked"] == files.asked.model_dump(mode="json")
    assert found["record"] == (files.record.model_dump(mode="json") if files.record else None)
    assert {each["path"]: each["bytes"] for each in found["files"]} == {
        str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }
    if files.record:
        assert [each["record"]["job"] for each in found["attacks"]] == [
            attack.job.model_dump() for attack in files.attacks
        ]


@pytest.mark.parametrize("text", ["6", "-1", "front", "0x1"])
def test_a_trial_that_is_not_there_is_refused_with_those_that_are(text, strict, capsys):
    assert main(["show", str(strict), "--", text]) == 2
    assert capsys.readouterr().err == f"invfront: TRIAL {text}: {strict} has trials 0 to 5; name one of them\n"


def test_logs_are_shown_by_attempt_and_the_tail_with_the_error_and_neither_moves_the_terminal(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("{name: small, data: {name: digits}, defense: {none: {}}}")
    ledger = Ledger(tmp_path)
    ledger.publish_asked(asked(0))
    error = Failure(stage="train", type="WorkerLost", message="lost", log="last \x1b[2Jwords")
    ledger.publish_record(record(0, state="failed", error=error))
    for number in (1, 2):
        (ledger.trial(0) / f"attempt-{number}").mkdir()
        lines = [f"line {line} of {number}" for line in range(30 * number)]
        (ledger.trial(0) / f"attempt-{number}" / LOG).write_text("\n".join([*lines, "http://me:secret@host/x"]))
    story = told(capsys, tmp_path, 0)
    assert "the last that was printed:\n  last ?[2Jwords\n" in story
    assert "\x1b" not in story
    assert "secret" not in story
    assert story.index("log of attempt-1:\n  (11 lines before)\n") < story.index(
        "log of attempt-2:\n  (41 lines before)"
    )
    assert "secret" not in told(capsys, tmp_path, 0, "--json")


def test_long_settings_are_told_in_lines_of_a_terminals_width(strict, capsys):
    listed = told(capsys, strict, 0).split("attack decoder-quick-0")[1].split("\n  settings: ")[1].splitlines()
    assert max(map(len, listed[:3])) <= 120
    assert listed[1].startswith("    ")


def test_a_curve_is_drawn_between_its_extremes_and_gaps_are_left():
    assert drawn([0.0, 7.0, None, 3.0], BLOCKS) == "▁█" + GAP + "▄"
    assert drawn([5.0, 5.0], LETTERS) == "__"
    assert drawn([None], LETTERS) == GAP


def test_a_long_curve_keeps_its_ends():
    line = drawn([1.0, *[0.0] * 998, 1.0], LETTERS)
    assert line == "#" + "_" * (WIDTH - 2) + "#"


def test_curves_are_told_apart_by_name():
    points = [CurvePoint(step=step, name=name, value=step / 2) for step in (1, 2) for name in ("loss", "accuracy")]
    points.append(CurvePoint(step=3, name="loss", value=None))
    assert list(curve_lines(points, LETTERS)) == [
        "loss      _#   0.5 to 1, least 0.5, most 1, 1 not finite (step 3)",
        "accuracy  _#  0.5 to 1, least 0.5, most 1 (step 2)",
    ]


@pytest.mark.parametrize(("encoding", "levels"), [("utf-8", BLOCKS), ("latin-1", LETTERS), (None, LETTERS)])
def test_a_terminal_without_unicode_gets_letters(encoding, levels):
    assert levels_of(encoding) == levels
