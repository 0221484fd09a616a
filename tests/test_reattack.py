"""Attacks run later on stored trials: their files are added, records stay, and everything takes them into account."""

import json
import re
import shutil

import optuna
import pytest

from harness.attacking import attack_stage
from harness.attempts import open_attempt
from harness.cli import main
from harness.driver import Where
from harness.environment import settle
from harness.errors import UserError
from harness.jobs import drain
from harness.ledger import Ledger
from harness.reattack import BUDGET, attack_again, choice_of
from harness.record import AttackJob, AttackRecord
from harness.rows import open_rows, outdated
from harness.study import load_study
from harness.tables import trials_table
from harness.worst import current
from tests.adversaries import TRAININGS
from tests.small_ledger import JOB, small_ledger

MODULE = "tests.adversaries:"
SHARP = f"{MODULE}Remembering:quick"
PROBE = f"{MODULE}Counting:quick"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A study of which trials 0 and 1 were attacked again, by an attack and by a probe; and what was there before."""
    settle(None)
    _, ledger = small_ledger(tmp_path_factory.mktemp("attacked"))
    before = {path: path.read_bytes() for path in ledger.root.glob("trials/*/*.json")}
    told: list[AttackRecord] = []
    choices = [choice_of(SHARP), choice_of(PROBE), choice_of(f"{MODULE}Failing:quick")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRAININGS, str(ledger.root / "trainings"))
        found = attack_again(ledger.root, ["0", "1"], choices, Where(), lambda progress: None, told.append)
    assert told == found
    return ledger, before, found


def open_rows_of(ledger: Ledger) -> optuna.Study:
    study = load_study(ledger.root / "study.yaml")
    return open_rows(study, ledger, f"{study.name}-{study.ledger}", None)


def test_later_attacks_add_files_and_leave_records_as_they_were(attacked):
    ledger, before, found = attacked
    assert {path: path.read_bytes() for path in before} == before
    assert len(found) == 6
    names = {path.name for path in (ledger.trial(0) / "attacks").iterdir()}
    assert names == {f"{JOB.name}.json", *(f"{record.job.name}.json" for record in found)}
    assert (ledger.root / "trainings").read_text().splitlines() == ["Remembering torch.float32"]


def test_the_worst_case_takes_a_later_attack_in_and_probes_stay_out(attacked):
    ledger, _, _ = attacked
    for number in (0, 1):
        files = ledger.read(number)
        assert {attack.job.kind for attack in files.attacks} == {"reconstruction", "probe"}
        least = min(
            (scores.mse, name)
            for name, scores in [
                *(
                    (attack.job.name, attack.measured.selection)
                    for attack in files.attacks
                    if attack.measured.selection
                ),
                *((name, files.record.measured.floors[name].selection) for name in ("mean_image", "class_mean")),
            ]
        )
        assert current(files).mse_attack == least[1]


def test_status_report_and_tables_see_later_attacks(attacked, capsys):
    ledger, _, found = attacked
    assert main(["status", str(ledger.root), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["states"]["complete"] == 2
    row = trials_table(ledger).set_index("trial").loc[0]
    assert row["mse"] == current(ledger.read(0)).mse
    page = (ledger.root / "report" / "index.html").read_text()
    assert all(record.job.name in page for record in found)


def test_a_later_attack_that_failed_is_recorded_and_changes_no_objective(attacked):
    ledger, _, found = attacked
    failed = next(record for record in found if record.trial == 0 and record.error)
    assert failed.measured.verdict == "failed"
    assert "not finite" in failed.error.message
    assert failed.job.name not in (current(ledger.read(0)).mse_attack, current(ledger.read(0)).ssim_attack)


def test_a_later_attack_may_be_run_again_only_if_it_failed(attacked):
    ledger, _, found = attacked
    failed = next(record for record in found if record.trial == 0 and record.error)
    ledger.publish_attack(failed)
    (whole,) = (record for record in found if record.trial == 0 and "Remembering" in record.job.name)
    with pytest.raises(FileExistsError, match="never rewritten"):
        ledger.publish_attack(whole)


def test_a_resume_gives_optuna_the_objectives_over_all_attacks(tmp_path):
    _, ledger = small_ledger(tmp_path)
    shutil.rmtree(ledger.trial(3))  # its setting is outside the study, so that it could fail: Optuna refuses the row
    rows = open_rows_of(ledger)
    assert outdated(rows.get_trials(), ledger) == []
    ledger.publish_attack(stronger(ledger.read(1).attacks[0]))
    assert outdated(rows.get_trials(), ledger) == [1]
    again = open_rows_of(ledger)
    assert again.get_trials()[1].values == [current(ledger.read(1)).accuracy, 1e-6, 0.999]
    assert [row.state.name for row in again.get_trials()] == ["COMPLETE", "COMPLETE", "FAIL", "WAITING", "RUNNING"]
    assert [row.params for row in again.get_trials()] == [row.params for row in rows.get_trials()]


def stronger(record: AttackRecord) -> AttackRecord:
    """Return a later attack that all but recovers the images."""
    better = record.measured.selection.model_copy(update={"mse": 1e-6, "ssim": 0.999})
    sizes = dict.fromkeys(record.measured.subsets, better)
    measured = record.measured.model_copy(update={"scores": better, "selection": better, "subsets": sizes})
    job = record.job.model_copy(update={"seed": 1})
    return record.model_copy(update={"job": job, "measured": measured})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["9", "--attack", "decoder"], "TRIAL 9: .*has trials 0 to 4; name a number, front, or all"),
        (["x", "--attack", "decoder"], "TRIAL x: "),
        (["3", "--attack", "decoder"], "TRIAL 3: failed, it has no trained network to attack"),
        (["4", "--attack", "decoder"], "TRIAL 4: is not finished; `invfront resume` first"),
        (["0", "--attack", "decoder:huge"], "--attack decoder:huge: .*takes the budgets"),
        (["0", "--attack", "decodr"], "--attack decodr: no attack 'decodr'.*did you mean decoder"),
        (["0", "--attack", "tests.small_ledger:SmallDecoder:tiny"], "has been run; take another budget or --seed"),
        (["0", "--attack", PROBE, "--tune", "4"], "--tune 4: .*has nothing to tune"),
        (["1", "--attack", "membership:quick"], "TRIAL 1: membership asks the server"),
    ],
)
def test_what_cannot_be_attacked_is_refused_in_one_line_and_nothing_changes(arguments, message, tmp_path, capsys):
    _, ledger = small_ledger(tmp_path)
    (ledger.trial(1) / "attempt-1" / "server.safetensors").unlink()
    before = sorted(ledger.root.rglob("*"))
    assert main(["attack", str(ledger.root), *arguments]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert re.search(message, said), said
    assert sorted(path for path in ledger.root.rglob("*") if path.name != "study.lock") == before


@pytest.mark.parametrize(
    ("text", "name", "budget"),
    [
        ("decoder", "decoder", BUDGET),
        ("decoder:quick", "decoder", "quick"),
        ("tests.adversaries:Guess:quick", "tests.adversaries:Guess", "quick"),
    ],
)
def test_an_attack_is_named_with_or_without_its_budget(text, name, budget):
    assert choice_of(text)[:2] == (name, budget)


def test_a_plug_in_without_the_default_budget_says_which_it_has():
    with pytest.raises(UserError, match=r"takes the budgets \['quick'\], not 'standard'"):
        choice_of("tests.adversaries:Guess")


def test_what_a_killed_command_had_finished_is_taken_over(tmp_path):
    _, ledger = small_ledger(tmp_path)
    settle(None)
    attempt = open_attempt(ledger.trial(0))
    job = AttackJob(attack=f"{MODULE}Remembering", budget="quick", seed=0, part="validation")
    drain(attack_stage(ledger.read(0).asked, attempt, ledger.trial(0) / "attempt-1", job), lambda progress: None)
    (found,) = attack_again(ledger.root, ["0"], [choice_of(SHARP)], Where(), lambda progress: None, lambda record: None)
    assert f"attempt-{found.attempt}" == attempt.name
    assert ledger.read(0).later() == [found]
